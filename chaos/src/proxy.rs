//! The fault proxy: HTTP/1.1 and h2c on loopback, between one daemon and one service.
//!
//! What happens to a request is drawn from the proxy's seed, one draw for each request in the order
//! of their arrival; the order itself is the machine's.

pub mod answer;
pub mod fault;
mod pump;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderMap, TRANSFER_ENCODING};
use hyper::service::service_fn;
use hyper::{Request, Response, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use shardwise_demo::error::Error;
use shardwise_demo::rng::Rng;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use self::answer::{AnswerBody, Broken};
use self::fault::Fault;
use self::pump::Pump;
use crate::Service;
use crate::journal::Journal;

const TARGET: &str = "x-amz-target";
/// The operation whose answer is a stream without end.
const SUBSCRIBE: &str = "SubscribeToShard";

/// What the network is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// Some requests meet a fault: so many of a thousand.
    Faults {
        /// How many of a thousand.
        per_mille: u64,
    },
    /// None gets through.
    Cut(Cut),
    /// All get through.
    Calm,
}

/// How a network fails that lets nothing through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Requests vanish.
    Silent,
    /// Connections are reset.
    Refused,
}

/// What one proxy is between, and how it draws.
#[derive(Clone, Debug)]
pub struct Place {
    /// Which daemon's it is, from 0 on.
    pub daemon: usize,
    /// Which service is behind it.
    pub service: Service,
    /// The failover time of the daemon, which slow answers are measured by.
    pub failover: Duration,
    /// What its draws come from.
    pub seed: u64,
}

/// A proxy that listens.
#[derive(Debug)]
pub struct Proxy {
    /// Where.
    pub address: SocketAddr,
    /// What its network is like.
    pub weather: watch::Sender<Weather>,
}

impl Proxy {
    /// Starts one before `upstream`, an `http://` URL.
    ///
    /// # Errors
    ///
    /// When no port is free.
    pub async fn start(place: Place, upstream: &str, journal: Journal) -> Result<Self, Error> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await;
        let listener = listener.map_err(Error::file("127.0.0.1:0"))?;
        let address = listener.local_addr().map_err(Error::file("127.0.0.1:0"))?;
        let (weather, seen) = watch::channel(Weather::Calm);
        let front = Arc::new(Front {
            rng: Mutex::new(Rng::new(place.seed)),
            place,
            upstream: upstream.trim_end_matches('/').to_owned(),
            client: Client::builder(TokioExecutor::new()).build_http(),
            weather: seen,
            journal,
        });
        tokio::spawn(accept(listener, front));
        Ok(Self { address, weather })
    }

    /// Where it listens, as a URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

struct Front {
    place: Place,
    upstream: String,
    client: Client<HttpConnector, Full<Bytes>>,
    rng: Mutex<Rng>,
    weather: watch::Receiver<Weather>,
    journal: Journal,
}

async fn accept(listener: TcpListener, front: Arc<Front>) {
    loop {
        // Out of descriptors, or a client that has gone again: the next one may do better.
        let Ok((stream, _)) = listener.accept().await else {
            sleep(Duration::from_millis(10)).await;
            continue;
        };
        tokio::spawn(serve(stream, Arc::clone(&front)));
    }
}

async fn serve(stream: TcpStream, front: Arc<Front>) {
    // Failing means that the client has gone again.
    let Ok(()) = stream.set_nodelay(true) else { return };
    // Held beside the connection, so that a reset can be asked for while hyper has the stream.
    let Ok(socket) = stream.as_fd().try_clone_to_owned() else { return };
    let socket = Arc::new(socket);
    let service = service_fn(|request| handle(Arc::clone(&front), Arc::clone(&socket), request));
    let builder = auto::Builder::new(TokioExecutor::new());
    // Most connections end with an error: on purpose.
    drop(builder.serve_connection(TokioIo::new(stream), service).await);
}

/// What is sent on.
struct Forward {
    operation: String,
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

async fn handle(
    front: Arc<Front>,
    socket: Arc<OwnedFd>,
    request: Request<Incoming>,
) -> Result<Response<AnswerBody>, Broken> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Broken)?.to_bytes();
    let target = parts.headers.get(TARGET).and_then(|target| target.to_str().ok());
    let operation = target.and_then(|target| target.rsplit('.').next()).unwrap_or("?").to_owned();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let mut headers = parts.headers;
    headers.remove(CONNECTION);
    headers.remove(TRANSFER_ENCODING);
    let forward = Forward { operation, path, headers, body };
    let weather = *front.weather.borrow();
    match weather {
        Weather::Calm => front.pass(forward, &socket).await,
        Weather::Cut(cut) => {
            front.journal.cut_off();
            front.cut(cut, &socket).await;
            Err(Broken)
        }
        Weather::Faults { per_mille } => {
            front.journal.requested();
            match front.draw(&forward.operation, per_mille) {
                None => front.pass(forward, &socket).await,
                Some(fault) => front.spoil(fault, forward, &socket).await,
            }
        }
    }
}

impl Front {
    fn draw(&self, operation: &str, per_mille: u64) -> Option<Fault> {
        let mut rng = self.rng.lock().expect("no holder of this lock panics");
        draw(&mut rng, &self.place, operation, per_mille)
    }

    /// Does what goes wrong.
    async fn spoil(
        self: Arc<Self>,
        fault: Fault,
        forward: Forward,
        socket: &Arc<OwnedFd>,
    ) -> Result<Response<AnswerBody>, Broken> {
        self.journal.fault(&self.place, &forward.operation, &fault);
        let service = self.place.service;
        match fault {
            Fault::Delay(time) => {
                sleep(time).await;
                self.pass(forward, socket).await
            }
            Fault::SlowAnswer(time) => {
                let answer = self.pass(forward, socket).await;
                sleep(time).await;
                answer
            }
            Fault::Reset => {
                reset_at_close(socket);
                Err(Broken)
            }
            Fault::LostAnswer => {
                // Its answer is what gets lost.
                drop(self.pass(forward, socket).await);
                Err(Broken)
            }
            Fault::LateApply(time) => {
                tokio::spawn(self.late(time, forward));
                Err(Broken)
            }
            Fault::ServerError(status, page) => Ok(answer::server_error(service, status, page)),
            Fault::Throttled(name) => Ok(answer::error(service, 400, name)),
            Fault::CutAnswer if forward.operation == SUBSCRIBE => {
                self.stream(forward, socket, Some(pump::CUT_AFTER)).await
            }
            Fault::CutAnswer => {
                let (head, body) = self.ask(forward).await?.into_parts();
                Ok(Response::from_parts(head, AnswerBody::cut(&body)))
            }
        }
    }

    /// Holds what a cut-off client waits for.
    async fn cut(&self, cut: Cut, socket: &OwnedFd) {
        match cut {
            Cut::Refused => reset_at_close(socket),
            Cut::Silent => {
                let is_over = |weather: &Weather| !matches!(weather, Weather::Cut(_));
                // An error means that the run is over, and the cut with it.
                drop(self.weather.clone().wait_for(is_over).await);
            }
        }
    }

    /// Forwards after a time, but before the weather is calm: nothing is applied after the faults.
    async fn late(self: Arc<Self>, time: Duration, forward: Forward) {
        let mut weather = self.weather.clone();
        tokio::select! {
            biased;
            _ = weather.wait_for(|weather| *weather == Weather::Calm) => {}
            () = sleep(time) => {}
        }
        drop(self.send(forward).await);
    }

    async fn pass(
        self: &Arc<Self>,
        forward: Forward,
        socket: &Arc<OwnedFd>,
    ) -> Result<Response<AnswerBody>, Broken> {
        if forward.operation == SUBSCRIBE {
            return self.stream(forward, socket, None).await;
        }
        let (head, body) = self.ask(forward).await?.into_parts();
        Ok(Response::from_parts(head, AnswerBody::whole(body)))
    }

    /// Asks the service. What has begun goes on even if the client gives up meanwhile.
    async fn ask(self: &Arc<Self>, forward: Forward) -> Result<Response<Bytes>, Broken> {
        let front = Arc::clone(self);
        let asked = tokio::spawn(async move { front.try_ask(forward).await });
        asked.await.map_err(|_| Broken)?
    }

    async fn try_ask(&self, forward: Forward) -> Result<Response<Bytes>, Broken> {
        let (head, body) = self.send(forward).await?.into_parts();
        let body = body.collect().await.map_err(|_| Broken)?.to_bytes();
        Ok(Response::from_parts(head, body))
    }

    /// Passes an answer on while it comes, as long as the network lets it through.
    async fn stream(
        &self,
        forward: Forward,
        socket: &Arc<OwnedFd>,
        cut_after: Option<usize>,
    ) -> Result<Response<AnswerBody>, Broken> {
        let (head, body) = self.send(forward).await?.into_parts();
        let (sender, answer) = mpsc::channel(1);
        let weather = self.weather.clone();
        if head.status.is_success() {
            self.journal.subscribed();
        }
        let (socket, journal) = (Arc::clone(socket), self.journal.clone());
        let pump = Pump { weather, socket, journal, left: cut_after, sender };
        tokio::spawn(pump.run(body));
        Ok(Response::from_parts(head, AnswerBody::streamed(answer)))
    }

    async fn send(&self, forward: Forward) -> Result<Response<Incoming>, Broken> {
        let uri: Uri = format!("{}{}", self.upstream, forward.path).parse().map_err(|_| Broken)?;
        let mut request = Request::new(Full::new(forward.body));
        *request.method_mut() = hyper::Method::POST;
        *request.uri_mut() = uri;
        *request.headers_mut() = forward.headers;
        let (mut head, body) = self.client.request(request).await.map_err(|_| Broken)?.into_parts();
        head.version = hyper::Version::default();
        head.headers.remove(CONNECTION);
        head.headers.remove(TRANSFER_ENCODING);
        Ok(Response::from_parts(head, body))
    }
}

/// Two draws a request, whatever they give: the next request's do not depend on this one's.
fn draw(rng: &mut Rng, place: &Place, operation: &str, per_mille: u64) -> Option<Fault> {
    let is_hit = rng.below(1_000) < per_mille;
    let mut rng = Rng::new(rng.next_u64());
    is_hit.then(|| Fault::draw(&mut rng, place.service, operation, place.failover))
}

/// Makes the close of a socket, which follows, a reset.
fn reset_at_close(socket: &OwnedFd) {
    // A socket that is closed already needs none.
    rustix::net::sockopt::set_socket_linger(socket, Some(Duration::ZERO)).ok();
}
