//! What the tests over TLS share: certificates, and a process that trusts their authority.

use std::process::Command;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

fn folder() -> String {
    format!("{}/tests/wire/tls", env!("CARGO_MANIFEST_DIR"))
}

/// Shows the certificate of this name.
pub(crate) fn acceptor(name: &str) -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_file(format!("{}/{name}.pem", folder())).unwrap();
    let key = PrivateKeyDer::from_pem_file(format!("{}/server.key", folder())).unwrap();
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let config = ServerConfig::builder_with_provider(provider.into());
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let mut config = config.with_single_cert(vec![certificate], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

/// Runs an ignored test. The certificates that the SDK trusts are read from the environment, and
/// once a process: what is tested runs in one of its own.
pub(crate) async fn passes_alone(name: &str) {
    let mut test = Command::new(std::env::current_exe().unwrap());
    test.args(["--ignored", "--exact", name, "--nocapture"]);
    test.env("SSL_CERT_FILE", format!("{}/authority.pem", folder()));
    let status = tokio::task::spawn_blocking(move || test.status().unwrap()).await.unwrap();
    assert!(status.success());
}
