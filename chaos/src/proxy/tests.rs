//! The proxy between a client and a service that counts what reaches it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use hyper::StatusCode;
use tempfile::TempDir;

use super::*;

const DEADLINE: Duration = Duration::from_secs(20);
const ANSWER: &str = "{\"Table\":{\"TableName\":\"what the service said\"}}";

/// A service behind a proxy whose first draw is known.
struct World {
    proxy: Proxy,
    applied: Arc<AtomicUsize>,
    journal: Journal,
    _directory: TempDir,
}

type Asker = Client<HttpConnector, Full<Bytes>>;

impl World {
    /// A proxy that will do this to the first request that it may do something to.
    async fn with_first(kind: &str) -> Self {
        Self::with_first_such(|fault| fault.kind() == kind).await
    }

    /// The same, by more than its kind.
    async fn with_first_such(is_it: impl Fn(Fault) -> bool) -> Self {
        let mut seeds = 0..10_000;
        let seed = seeds.find(|seed| {
            draw(&mut Rng::new(*seed), &place(*seed), "UpdateItem", 1_000).is_some_and(&is_it)
        });
        let world = Self::with_seed(seed.unwrap()).await;
        world.proxy.weather.send_replace(Weather::Faults { per_mille: 1_000 });
        world
    }

    async fn with_seed(seed: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let journal = Journal::new(directory.path()).unwrap();
        let applied = Arc::new(AtomicUsize::new(0));
        let upstream = upstream(Arc::clone(&applied)).await;
        let proxy = Proxy::start(place(seed), &upstream, journal.clone()).await.unwrap();
        Self { proxy, applied, journal, _directory: directory }
    }

    /// The status and the body, unless either breaks off.
    async fn ask(&self, asker: &Asker) -> Option<(StatusCode, Bytes)> {
        let request = Request::post(self.proxy.url())
            .header(TARGET, "DynamoDB_20120810.UpdateItem")
            .header("authorization", "of a client")
            .body(Full::new(Bytes::from_static(b"{}")))
            .unwrap();
        let answer = tokio::time::timeout(DEADLINE, asker.request(request)).await.unwrap().ok()?;
        let status = answer.status();
        Some((status, answer.into_body().collect().await.ok()?.to_bytes()))
    }

    /// What a subscription brings, part by part.
    async fn subscribe(&self) -> Incoming {
        let request = Request::post(self.proxy.url())
            .header(TARGET, "Kinesis_20131202.SubscribeToShard")
            .header("authorization", "of a client")
            .body(Full::new(Bytes::from_static(b"{}")))
            .unwrap();
        let answer = tokio::time::timeout(DEADLINE, http1().request(request)).await.unwrap();
        answer.unwrap().into_body()
    }

    fn applied(&self) -> usize {
        self.applied.load(Ordering::SeqCst)
    }
}

fn place(seed: u64) -> Place {
    let failover = Duration::from_millis(40);
    Place { daemon: 0, service: Service::DynamoDb, failover, seed }
}

async fn until(is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not in time");
        sleep(Duration::from_millis(5)).await;
    }
}

fn http1() -> Asker {
    Client::builder(TokioExecutor::new()).build_http()
}

fn h2c() -> Asker {
    Client::builder(TokioExecutor::new()).http2_only(true).build_http()
}

/// A service that answers what a real one would, once it has counted the request.
async fn upstream(applied: Arc<AtomicUsize>) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let applied = Arc::clone(&applied);
            let service = service_fn(move |request: Request<Incoming>| {
                let is_whole = request.headers().contains_key("authorization");
                applied.fetch_add(usize::from(is_whole), Ordering::SeqCst);
                let body = if request.headers()[TARGET].as_bytes().ends_with(b"SubscribeToShard") {
                    AnswerBody::streamed(endless())
                } else {
                    AnswerBody::whole(Bytes::from_static(ANSWER.as_bytes()))
                };
                std::future::ready(Ok::<_, Broken>(Response::new(body)))
            });
            tokio::spawn(async move {
                let builder = auto::Builder::new(TokioExecutor::new());
                drop(builder.serve_connection(TokioIo::new(stream), service).await);
            });
        }
    });
    format!("http://{address}")
}

/// A part now and again, for ever.
fn endless() -> mpsc::Receiver<Result<Bytes, Broken>> {
    let (sender, parts) = mpsc::channel(1);
    tokio::spawn(async move {
        while sender.send(Ok(Bytes::from_static(&[7; 1_500]))).await.is_ok() {
            sleep(Duration::from_millis(1)).await;
        }
    });
    parts
}

/// The bytes of the next part, unless the answer breaks off.
async fn part(body: &mut Incoming) -> Option<usize> {
    let frame = tokio::time::timeout(DEADLINE, body.frame()).await.unwrap();
    Some(frame?.ok()?.into_data().unwrap().len())
}

#[tokio::test]
async fn in_calm_weather_requests_and_answers_pass_as_they_are() {
    for asker in [http1(), h2c()] {
        let world = World::with_seed(1).await;
        let answer = world.ask(&asker).await;
        assert_eq!(answer, Some((StatusCode::OK, ANSWER.into())));
        assert_eq!((world.applied(), world.journal.counts().requests), (1, 0));
    }
}

#[tokio::test]
async fn late_and_slow_requests_are_answered_as_they_are() {
    for kind in ["delay", "slow answer"] {
        let world = World::with_first(kind).await;
        assert_eq!(world.ask(&http1()).await, Some((StatusCode::OK, ANSWER.into())), "{kind}");
        assert_eq!(world.applied(), 1, "{kind}");
        assert_eq!(world.journal.counts().faults.get(kind), Some(&1));
    }
}

#[tokio::test]
async fn a_lost_answer_was_applied_and_a_reset_request_was_not() {
    for asker in [http1(), h2c()] {
        for (kind, applied) in [("lost answer", 1), ("cut answer", 1), ("reset", 0)] {
            let world = World::with_first(kind).await;
            assert_eq!(world.ask(&asker).await, None, "{kind}");
            assert_eq!(world.applied(), applied, "{kind}");
        }
    }
}

#[tokio::test]
async fn a_late_request_is_applied_after_its_client_has_heard_nothing_but_not_after_the_faults() {
    let late = |fault| matches!(fault, Fault::LateApply(time) if time > DEADLINE);
    let world = World::with_first_such(late).await;
    assert_eq!(world.ask(&http1()).await, None);
    assert_eq!(world.applied(), 0);
    world.proxy.weather.send_replace(Weather::Calm);
    until(|| world.applied() == 1).await;
}

#[tokio::test]
async fn what_a_failing_service_answers_was_not_applied() {
    for (kind, is_it) in [
        ("server error", StatusCode::is_server_error as fn(&StatusCode) -> bool),
        ("throttled", StatusCode::is_client_error),
    ] {
        let world = World::with_first(kind).await;
        let (status, _) = world.ask(&http1()).await.unwrap();
        assert!(is_it(&status), "{kind}: {status}");
        assert_eq!(world.applied(), 0, "{kind}");
    }
}

#[tokio::test]
async fn a_cut_network_lets_nothing_through_until_it_is_over() {
    for cut in [Cut::Silent, Cut::Refused] {
        let world = World::with_seed(1).await;
        world.proxy.weather.send_replace(Weather::Cut(cut));
        let asker = http1();
        let over = async {
            until(|| world.journal.counts().cut_off == 1).await;
            world.proxy.weather.send_replace(Weather::Calm);
        };
        let (answer, ()) = tokio::join!(world.ask(&asker), over);
        assert_eq!((answer, world.applied()), (None, 0), "{cut:?}");
        assert!(world.ask(&asker).await.is_some());
    }
}

#[tokio::test]
async fn a_subscription_is_passed_on_while_it_comes_and_breaks_off_with_the_network() {
    let world = World::with_seed(1).await;
    let mut body = world.subscribe().await;
    for _ in 0..10 {
        assert!(part(&mut body).await.is_some());
    }
    world.proxy.weather.send_replace(Weather::Cut(Cut::Refused));
    while part(&mut body).await.is_some() {}
}

#[tokio::test]
async fn a_silent_network_brings_nothing_of_a_subscription_until_it_is_over() {
    let world = World::with_seed(1).await;
    let mut body = world.subscribe().await;
    assert!(part(&mut body).await.is_some());
    world.proxy.weather.send_replace(Weather::Cut(Cut::Silent));
    let silence = Duration::from_millis(200);
    // What had passed the proxy before that still comes.
    while tokio::time::timeout(silence, body.frame()).await.is_ok() {}
    world.proxy.weather.send_replace(Weather::Calm);
    assert!(part(&mut body).await.is_some());
}

#[tokio::test]
async fn a_subscription_that_is_cut_breaks_off_in_the_middle() {
    let world = World::with_first("cut answer").await;
    let mut body = world.subscribe().await;
    let mut bytes = 0;
    while let Some(part) = part(&mut body).await {
        bytes += part;
    }
    assert_eq!(bytes, pump::CUT_AFTER);
}
