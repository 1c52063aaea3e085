//! A thread that is there before it is needed, for looking through /proc and striking.
//!
//! What fills the system with processes leaves no room for another thread either, and the runtime starts its own for blocking work only when there is some.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError, mpsc};

use tokio::sync::oneshot;

type Work = Box<dyn FnOnce() + Send>;

static STRIKER: Mutex<Option<mpsc::Sender<Work>>> = Mutex::new(None);

/// Sees to it that the thread is there. One serves all keepers, which strike by themselves, too.
pub(super) fn prepare() -> io::Result<()> {
    let mut striker = STRIKER.lock().unwrap_or_else(PoisonError::into_inner);
    if striker.is_none() {
        let (sender, work) = mpsc::channel::<Work>();
        std::thread::Builder::new()
            .name("strike".to_owned())
            .spawn(move || {
                for work in work {
                    // Others have to be struck also after that.
                    let _ = catch_unwind(AssertUnwindSafe(work));
                }
            })?;
        *striker = Some(sender);
    }
    Ok(())
}

/// Has something done there; `None` if that failed.
pub(super) async fn does<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (done, result) = oneshot::channel();
    let work: Work = Box::new(move || {
        let _ = done.send(work());
    });
    let sent = STRIKER
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .as_ref()
        .map(|striker| striker.send(work));
    match sent {
        Some(Ok(())) => result.await.ok(),
        _ => None,
    }
}
