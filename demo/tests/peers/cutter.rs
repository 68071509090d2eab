//! Between daemons and somebody's Kinesis: passes bytes on, until it cuts.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const CONNECTS_WITHIN: Duration = Duration::from_secs(20);

/// Its connections, which all go when it does.
pub(crate) struct Cutter {
    pub(crate) url: String,
    connections: Arc<Mutex<JoinSet<()>>>,
}

impl Cutter {
    /// In front of a server at this URL.
    pub(crate) async fn start(to: &str) -> Self {
        let to = to.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let connections = Arc::<Mutex<JoinSet<()>>>::default();
        let open = Arc::clone(&connections);
        tokio::spawn(async move {
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                let to = to.clone();
                open.lock().unwrap().spawn(async move {
                    let mut server = TcpStream::connect(to).await.unwrap();
                    // Either side may go first.
                    let _ = copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Self { url, connections }
    }

    /// Waits for this many connections, and ends all there are in the middle of whatever is on
    /// them.
    pub(crate) async fn cut(&self, at_least: usize) {
        let deadline = Instant::now() + CONNECTS_WITHIN;
        while self.open() < at_least {
            assert!(Instant::now() < deadline, "{} connections of {at_least}", self.open());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.connections.lock().unwrap().abort_all();
    }

    fn open(&self) -> usize {
        let mut connections = self.connections.lock().unwrap();
        while connections.try_join_next().is_some() {}
        connections.len()
    }
}
