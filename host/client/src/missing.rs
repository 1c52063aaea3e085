//! `fs/watchMissing`: who found nothing at some paths is told once when something may be there.

use lockgate_wire::fs::{WatchMissingParams, WatchMissingResult};
use lockgate_wire::{Method, WirePath};
use tokio::sync::mpsc;

use crate::profile::Sandbox;
use crate::routes::Begins;
use crate::{Client, ClientError};

/// Paths at which nothing is, until something may be. Ends with its link, as watches do; one that is dropped is ended at the server.
#[derive(Debug)]
pub struct Missing {
    client: Client,
    watch_id: u64,
    told: mpsc::Receiver<()>,
    is_over: bool,
}

/// Where the notification goes.
pub(crate) type Route = mpsc::Sender<()>;

impl Client {
    /// Has it told when something comes to be at one of these paths, or a directory on the way to one. None where there is nothing to wait for: something is at
    /// all of them already, or can come to be at none. Executors that know it say so (`fsWatchMissing` in [`Client::capabilities`]).
    pub async fn watch_missing(
        &self,
        paths: Vec<WirePath>,
        within: Option<Sandbox>,
    ) -> Result<Option<Missing>, ClientError> {
        let watch_id = self.calls().routes().missing_number();
        let (route, told) = mpsc::channel(1);
        // Also forgets the route when the call fails.
        let mut missing = Missing {
            client: self.clone(),
            watch_id,
            told,
            is_over: false,
        };
        let params = WatchMissingParams {
            watch_id,
            missing: paths,
            present: (),
            sandbox: within,
        };
        let begins = Begins::Missing(watch_id, route);
        let method = Method::FsWatchMissing.name();
        let begun = self.begin(method, &params, begins).await;
        // One that is not answered in time may be watched all the same.
        missing.is_over = !matches!(
            begun,
            Ok(WatchMissingResult { watching: true }) | Err(ClientError::Timeout { .. })
        );
        let WatchMissingResult { watching } = begun?;
        Ok(watching.then_some(missing))
    }
}

impl Missing {
    /// Waits until something may be there; look, and ask again where it is not what was waited for. False when nothing will be told any more: it has been told
    /// already, or the link was lost, and what came meanwhile has to be looked for.
    pub async fn come(&mut self) -> bool {
        let has_come = self.told.recv().await.is_some();
        self.is_over = true;
        has_come
    }
}

impl Drop for Missing {
    fn drop(&mut self) {
        let calls = self.client.calls();
        // Gone where it was told, and with a link that was lost.
        let was_there = calls.routes().found(self.watch_id).is_some();
        if was_there && !self.is_over {
            // The number means something else from now on: nothing.
            let nothing = WatchMissingParams::<Sandbox> {
                watch_id: self.watch_id,
                missing: Vec::new(),
                present: (),
                sandbox: None,
            };
            calls.cast(Method::FsWatchMissing.name(), &nothing);
        }
    }
}
