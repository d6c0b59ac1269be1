//! The listener of the control API: bytes between clients and `offhook_api::Session`s, which live on the main loop.

use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::spawn_local;

/// Clients at once; more are closed.
const MAX_CLIENTS: usize = 16;
/// Answers and notifications waiting in a client that does not read, before it is cut off.
const WRITE_QUEUE: usize = 1024;

/// A client that takes longer to read is gone.
const WRITE_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

#[derive(Debug)]
pub(crate) enum ControlInput {
    Opened { client: u64, writer: mpsc::Sender<Vec<u8>> },
    Received { client: u64, bytes: Vec<u8> },
    Closed { client: u64 },
}

pub(crate) async fn listen(address: SocketAddr, inputs: mpsc::Sender<ControlInput>) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await?;
    let local = listener.local_addr()?;
    spawn_local(async move {
        let open = std::rc::Rc::new(std::cell::Cell::new(0));
        let mut client = 0;
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            };
            if open.get() >= MAX_CLIENTS {
                continue;
            }
            open.set(open.get() + 1);
            client += 1;
            let (inputs, open) = (inputs.clone(), std::rc::Rc::clone(&open));
            spawn_local(async move {
                serve(client, stream, &inputs).await;
                let _ = inputs.send(ControlInput::Closed { client }).await;
                open.set(open.get() - 1);
            });
        }
    });
    Ok(local)
}

async fn serve(client: u64, stream: tokio::net::TcpStream, inputs: &mpsc::Sender<ControlInput>) {
    let _ = stream.set_nodelay(true);
    let (mut read, mut write) = stream.into_split();
    let (writer, mut queue) = mpsc::channel::<Vec<u8>>(WRITE_QUEUE);
    if inputs.send(ControlInput::Opened { client, writer }).await.is_err() {
        return;
    }
    let mut buffer = vec![0; 8192];
    loop {
        tokio::select! {
            got = read.read(&mut buffer) => match got {
                Ok(0) | Err(_) => return,
                Ok(n) => {
                    let bytes = buffer[..n].to_vec();
                    if inputs.send(ControlInput::Received { client, bytes }).await.is_err() {
                        return;
                    }
                }
            },
            bytes = queue.recv() => match bytes {
                Some(bytes) => match tokio::time::timeout(WRITE_TIMEOUT, write.write_all(&bytes)).await {
                    Ok(Ok(())) => {}
                    _ => return,
                },
                None => return,
            },
        }
    }
}
