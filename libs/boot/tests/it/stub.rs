//! A small HTTP server that answers every request with one body and keeps what it was sent.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::Uri;

#[derive(Clone)]
pub struct Stub {
    pub address: SocketAddr,
    answer: &'static str,
    received: Arc<Mutex<Vec<(String, Bytes)>>>,
}

impl Stub {
    pub async fn start(answer: &'static str) -> anyhow::Result<Stub> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let stub = Stub {
            address: listener.local_addr()?,
            answer,
            received: Arc::default(),
        };
        let router = Router::new().fallback(keep).with_state(stub.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(stub)
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The bodies that came for a path, one after the other.
    pub fn received(&self, path: &str) -> Vec<u8> {
        let received = self.received.lock().expect("nobody panics with it");
        let of_path = received.iter().filter(|(it, _)| it == path);
        of_path.flat_map(|(_, body)| body.to_vec()).collect()
    }
}

async fn keep(State(stub): State<Stub>, uri: Uri, body: Bytes) -> &'static str {
    let request = (uri.path().to_owned(), body);
    stub.received
        .lock()
        .expect("nobody panics with it")
        .push(request);
    stub.answer
}
