//! Every method name of both protocol documents and of our extensions.

/// The table below as an enum, and its names each way.
macro_rules! methods {
    ($($method:ident = $name:literal,)*) => {
        /// A request method, whether or not a given server implements it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs)] // the names are the documentation
        pub enum Method {
            $($method,)*
        }

        impl Method {
            /// All of them.
            pub const ALL: &'static [Method] = &[$(Method::$method,)*];

            /// The name on the wire.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Method::$method => $name,)*
                }
            }

            /// The method of that name; names are case-sensitive.
            pub fn from_name(name: &str) -> Option<Method> {
                Some(match name {
                    $($name => Method::$method,)*
                    _ => return None,
                })
            }
        }
    };
}

methods! {
    Initialize = "initialize",
    EnvironmentInfo = "environment/info",
    EnvironmentStatus = "environment/status",
    EnvironmentConfigRead = "environmentConfig/read",
    CapabilityRootsDiscoverV1 = "capabilityRoots/discoverV1",
    CapabilitiesDiscoverV2 = "capabilities/discoverV2",
    HttpRequest = "http/request",
    ProcessStart = "process/start",
    ProcessRead = "process/read",
    ProcessWrite = "process/write",
    ProcessSignal = "process/signal",
    ProcessTerminate = "process/terminate",
    FsReadFile = "fs/readFile",
    FsOpen = "fs/open",
    FsReadBlock = "fs/readBlock",
    FsWriteBlock = "fs/writeBlock",
    FsClose = "fs/close",
    FsWriteFile = "fs/writeFile",
    FsCreateDirectory = "fs/createDirectory",
    FsGetMetadata = "fs/getMetadata",
    FsGetMetadataBatch = "fs/getMetadataBatch",
    FsCanonicalize = "fs/canonicalize",
    FsReadDirectory = "fs/readDirectory",
    FsWalk = "fs/walk",
    FsRemove = "fs/remove",
    FsCopy = "fs/copy",
    FsWatchMissing = "fs/watchMissing",
    LockgateProcessResize = "lockgate/process/resize",
    LockgateProcessCloseStdin = "lockgate/process/closeStdin",
    LockgateProcessSignal = "lockgate/process/signal",
    LockgateProcessList = "lockgate/process/list",
    LockgateProcessAcknowledge = "lockgate/process/acknowledge",
    LockgateHttpAcknowledge = "lockgate/http/acknowledge",
    LockgateHttpCancel = "lockgate/http/cancel",
    LockgateFsBatch = "lockgate/fs/batch",
    LockgateFsReadTree = "lockgate/fs/readTree",
    LockgateFsListTree = "lockgate/fs/listTree",
    LockgateFsWriteTree = "lockgate/fs/writeTree",
    LockgateFsWriteTreeBlock = "lockgate/fs/writeTreeBlock",
    LockgateFsFinishTree = "lockgate/fs/finishTree",
    LockgateFsWatch = "lockgate/fs/watch",
    LockgateFsUnwatch = "lockgate/fs/unwatch",
    LockgateFsRename = "lockgate/fs/rename",
    LockgateFsSymlink = "lockgate/fs/symlink",
    LockgateFsReadLink = "lockgate/fs/readLink",
    LockgateFsSetMode = "lockgate/fs/setMode",
    LockgateFsSetTimes = "lockgate/fs/setTimes",
    LockgateFsReplaceFile = "lockgate/fs/replaceFile",
    LockgateFsAppendFile = "lockgate/fs/appendFile",
}

impl Method {
    /// True for the methods that are ours; a server announces which of them it has in `environmentInfo.capabilities.lockgate`.
    pub fn is_extension(self) -> bool {
        self.name().starts_with("lockgate/")
    }

    /// The methods that are ours.
    pub fn extensions() -> impl Iterator<Item = Method> {
        Method::ALL
            .iter()
            .copied()
            .filter(|method| method.is_extension())
    }
}

/// Names of requests that a server makes.
pub mod server_request {
    /// Only of clients that have announced [`crate::lockgate::approval::ClientExtensions::approvals`].
    pub const LOCKGATE_APPROVAL: &str = "lockgate/approval/request";
}

/// Names of notifications.
pub mod notify {
    /// Client to server, after `initialize` was answered.
    pub const INITIALIZED: &str = "initialized";
    /// Server to client: [`crate::process::OutputNotification`].
    pub const PROCESS_OUTPUT: &str = "process/output";
    /// Server to client: [`crate::process::ExitedNotification`].
    pub const PROCESS_EXITED: &str = "process/exited";
    /// Server to client: [`crate::process::ClosedNotification`].
    pub const PROCESS_CLOSED: &str = "process/closed";
    /// Server to client: [`crate::http::BodyDeltaNotification`].
    pub const HTTP_BODY_DELTA: &str = "http/request/bodyDelta";
    /// Server to client: [`crate::fs::MissingChangedNotification`].
    pub const FS_MISSING_CHANGED: &str = "fs/missingChanged";
    /// Server to client: [`crate::lockgate::watch::ChangedNotification`].
    pub const LOCKGATE_FS_CHANGED: &str = "lockgate/fs/changed";
    /// Server to client: [`crate::lockgate::approval::ApprovalWithdrawn`].
    pub const LOCKGATE_APPROVAL_WITHDRAWN: &str = "lockgate/approval/withdrawn";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_back_to_its_method() {
        for &method in Method::ALL {
            assert_eq!(Method::from_name(method.name()), Some(method));
        }
    }

    #[test]
    fn names_are_exact() {
        for name in [
            "",
            "Initialize",
            "fs/readfile",
            "fs/join",
            "fs/parent",
            "process/start ",
            "initialized",
            "process/output",
        ] {
            assert_eq!(Method::from_name(name), None, "{name}");
        }
    }
}
