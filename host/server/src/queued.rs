//! The first poll of a wait for a lock or a lane: it is what takes the place in the queue, so it happens where the request is read, in the order of
//! the requests, and not when a task gets round to it.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use tokio::task::unconstrained;

/// What still waits. Polled again, it goes on.
pub(crate) type Waiting<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Polls once. What is not done by then has its place.
pub(crate) fn queued<T>(future: impl Future<Output = T> + Send + 'static) -> Result<T, Waiting<T>> {
    // Unconstrained: in a task that has done much in its turn, `select!` says to come back later before it polls what it waits for.
    let mut waiting: Waiting<T> = Box::pin(unconstrained(future));
    match waiting
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(done) => Ok(done),
        Poll::Pending => Err(waiting),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::FutureExt;
    use tokio::sync::Mutex;

    use super::queued;

    /// Far more than a task may do in one turn of tokio's.
    const MANY: usize = 1_000;

    #[tokio::test]
    async fn whoever_asks_first_is_first_however_much_the_task_has_done() {
        let lock = Arc::new(Mutex::new(()));
        let held = Arc::clone(&lock).lock_owned().await;
        let order = Arc::new(std::sync::Mutex::new(Vec::new()));
        let (all, done) = (Arc::clone(&lock), Arc::clone(&order));
        let reader = tokio::spawn(async move {
            // This task has used its turn up.
            for _ in 0..MANY {
                let _ = tokio::task::consume_budget().now_or_never();
            }
            (0..MANY)
                .filter_map(|number| {
                    let (lock, order) = (Arc::clone(&all), Arc::clone(&done));
                    let turn = async move {
                        let _turn = tokio::select! {
                            biased;
                            turn = lock.lock_owned() => turn,
                            () = std::future::pending() => return,
                        };
                        order.lock().expect("not poisoned").push(number);
                    };
                    queued(turn).err()
                })
                .collect()
        });
        let waiting: Vec<_> = reader.await.expect("read");
        assert_eq!(waiting.len(), MANY);
        drop(held);
        // Polled in the other order, as tasks may be.
        for turn in waiting
            .into_iter()
            .rev()
            .map(tokio::spawn)
            .collect::<Vec<_>>()
        {
            turn.await.expect("done");
        }
        let order = order.lock().expect("not poisoned");
        assert!(order.is_sorted(), "{order:?}");
    }
}
