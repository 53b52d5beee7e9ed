//! Asterisk connects only to a service whose certificate has the configured name and comes from an authority it trusts.

use super::switch::{SOCKET, Site, Switch};
use crate::support::DEADLINE;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};
use std::io::{self, Read};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// Makes an authority of this name, and its certificate for `localhost`.
fn authority(folder: &Path, name: &str) {
    let script = format!(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={name} -days 2 \
           -keyout {name}.key -out {name}.pem &&
         openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
           -keyout {name}-service.key -out {name}-service.csr &&
         echo subjectAltName=DNS:localhost > extensions &&
         openssl x509 -req -in {name}-service.csr -CA {name}.pem -CAkey {name}.key -CAcreateserial -days 2 \
           -extfile extensions -out {name}-service.pem"
    );
    let made = Command::new("sh")
        .args(["-ec", &script])
        .current_dir(folder)
        .output();
    let made = made.expect("a shell");
    assert!(made.status.success(), "openssl: {made:?}");
}

/// Accepts one connection, and returns the first request after the TLS handshake.
fn first_request(listener: &TcpListener, config: Arc<ServerConfig>) -> io::Result<String> {
    let (mut stream, _) = listener.accept()?;
    stream.set_read_timeout(Some(DEADLINE))?;
    let mut connection = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut tls = Stream::new(&mut connection, &mut stream);
    let mut asked = Vec::new();
    let mut byte = [0];
    while !asked.ends_with(b"\r\n\r\n") {
        tls.read_exact(&mut byte)?;
        asked.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&asked).into_owned())
}

/// Returns the request of an Asterisk that calls the service `host` and trusts this authority.
async fn asked(host: &'static str, trusted: &'static str) -> io::Result<String> {
    let folder = tempfile::tempdir().unwrap();
    authority(folder.path(), "ours");
    authority(folder.path(), "another");
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    let certificate = CertificateDer::from_pem_slice(&read("ours-service.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(&read("ours-service.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();

    let site = Site::new();
    let plain = format!("ws://{}:{}/", site.address, site.service);
    let authorities = folder.path().join(format!("{trusted}.pem"));
    let _switch = Switch::start_with(&site, |name, text| match name {
        "websocket_client.conf" => text
            .replace(&plain, &format!("wss://{host}:{port}/"))
            .replace("tls_enabled = no", "tls_enabled = yes")
            .replace(
                "/etc/ssl/certs/ca-certificates.crt",
                authorities.to_str().unwrap(),
            ),
        _ => text,
    })
    .await;
    let config = Arc::new(config);
    let request = tokio::task::spawn_blocking(move || first_request(&listener, config));
    let request = tokio::time::timeout(DEADLINE, request).await;
    request.expect("it tries").expect("no panic")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_is_known_by_its_certificate() {
    let request = asked("localhost", "ours").await.expect("a request");
    assert!(
        request.starts_with("GET /hooks/pbx/ari HTTP/1.1\r\n"),
        "{request}"
    );
    let credentials = STANDARD.encode(format!("{}:{}", SOCKET.0, SOCKET.1));
    assert!(
        request.contains(&format!("Authorization: Basic {credentials}\r\n")),
        "{request}"
    );
    assert!(
        request.contains("Sec-WebSocket-Protocol: ari\r\n"),
        "{request}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_authority_vouches_for_nobody() {
    assert!(asked("localhost", "another").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_for_another_name_is_none() {
    assert!(asked("127.0.0.1", "ours").await.is_err());
}
