//! Every method name of both protocol documents and of our extensions.

/// A request method, whether or not a given server implements it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)] // the names are the documentation
pub enum Method {
    Initialize,
    EnvironmentInfo,
    EnvironmentStatus,
    EnvironmentConfigRead,
    CapabilityRootsDiscoverV1,
    CapabilitiesDiscoverV2,
    HttpRequest,
    ProcessStart,
    ProcessRead,
    ProcessWrite,
    ProcessSignal,
    ProcessTerminate,
    FsReadFile,
    FsOpen,
    FsReadBlock,
    FsWriteBlock,
    FsClose,
    FsWriteFile,
    FsCreateDirectory,
    FsGetMetadata,
    FsGetMetadataBatch,
    FsCanonicalize,
    FsReadDirectory,
    FsWalk,
    FsRemove,
    FsCopy,
    FsWatchMissing,
    LockgateProcessResize,
    LockgateProcessCloseStdin,
    LockgateProcessSignal,
    LockgateProcessList,
}

impl Method {
    /// All of them.
    pub const ALL: &'static [Method] = &[
        Method::Initialize,
        Method::EnvironmentInfo,
        Method::EnvironmentStatus,
        Method::EnvironmentConfigRead,
        Method::CapabilityRootsDiscoverV1,
        Method::CapabilitiesDiscoverV2,
        Method::HttpRequest,
        Method::ProcessStart,
        Method::ProcessRead,
        Method::ProcessWrite,
        Method::ProcessSignal,
        Method::ProcessTerminate,
        Method::FsReadFile,
        Method::FsOpen,
        Method::FsReadBlock,
        Method::FsWriteBlock,
        Method::FsClose,
        Method::FsWriteFile,
        Method::FsCreateDirectory,
        Method::FsGetMetadata,
        Method::FsGetMetadataBatch,
        Method::FsCanonicalize,
        Method::FsReadDirectory,
        Method::FsWalk,
        Method::FsRemove,
        Method::FsCopy,
        Method::FsWatchMissing,
        Method::LockgateProcessResize,
        Method::LockgateProcessCloseStdin,
        Method::LockgateProcessSignal,
        Method::LockgateProcessList,
    ];

    /// The methods that are ours; a server announces which of them it has in `environmentInfo.capabilities.lockgate`.
    pub const EXTENSIONS: &'static [Method] = &[
        Method::LockgateProcessResize,
        Method::LockgateProcessCloseStdin,
        Method::LockgateProcessSignal,
        Method::LockgateProcessList,
    ];

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Method::Initialize => "initialize",
            Method::EnvironmentInfo => "environment/info",
            Method::EnvironmentStatus => "environment/status",
            Method::EnvironmentConfigRead => "environmentConfig/read",
            Method::CapabilityRootsDiscoverV1 => "capabilityRoots/discoverV1",
            Method::CapabilitiesDiscoverV2 => "capabilities/discoverV2",
            Method::HttpRequest => "http/request",
            Method::ProcessStart => "process/start",
            Method::ProcessRead => "process/read",
            Method::ProcessWrite => "process/write",
            Method::ProcessSignal => "process/signal",
            Method::ProcessTerminate => "process/terminate",
            Method::FsReadFile => "fs/readFile",
            Method::FsOpen => "fs/open",
            Method::FsReadBlock => "fs/readBlock",
            Method::FsWriteBlock => "fs/writeBlock",
            Method::FsClose => "fs/close",
            Method::FsWriteFile => "fs/writeFile",
            Method::FsCreateDirectory => "fs/createDirectory",
            Method::FsGetMetadata => "fs/getMetadata",
            Method::FsGetMetadataBatch => "fs/getMetadataBatch",
            Method::FsCanonicalize => "fs/canonicalize",
            Method::FsReadDirectory => "fs/readDirectory",
            Method::FsWalk => "fs/walk",
            Method::FsRemove => "fs/remove",
            Method::FsCopy => "fs/copy",
            Method::FsWatchMissing => "fs/watchMissing",
            Method::LockgateProcessResize => "lockgate/process/resize",
            Method::LockgateProcessCloseStdin => "lockgate/process/closeStdin",
            Method::LockgateProcessSignal => "lockgate/process/signal",
            Method::LockgateProcessList => "lockgate/process/list",
        }
    }

    /// The method of that name; names are case-sensitive.
    pub fn from_name(name: &str) -> Option<Method> {
        Some(match name {
            "initialize" => Method::Initialize,
            "environment/info" => Method::EnvironmentInfo,
            "environment/status" => Method::EnvironmentStatus,
            "environmentConfig/read" => Method::EnvironmentConfigRead,
            "capabilityRoots/discoverV1" => Method::CapabilityRootsDiscoverV1,
            "capabilities/discoverV2" => Method::CapabilitiesDiscoverV2,
            "http/request" => Method::HttpRequest,
            "process/start" => Method::ProcessStart,
            "process/read" => Method::ProcessRead,
            "process/write" => Method::ProcessWrite,
            "process/signal" => Method::ProcessSignal,
            "process/terminate" => Method::ProcessTerminate,
            "fs/readFile" => Method::FsReadFile,
            "fs/open" => Method::FsOpen,
            "fs/readBlock" => Method::FsReadBlock,
            "fs/writeBlock" => Method::FsWriteBlock,
            "fs/close" => Method::FsClose,
            "fs/writeFile" => Method::FsWriteFile,
            "fs/createDirectory" => Method::FsCreateDirectory,
            "fs/getMetadata" => Method::FsGetMetadata,
            "fs/getMetadataBatch" => Method::FsGetMetadataBatch,
            "fs/canonicalize" => Method::FsCanonicalize,
            "fs/readDirectory" => Method::FsReadDirectory,
            "fs/walk" => Method::FsWalk,
            "fs/remove" => Method::FsRemove,
            "fs/copy" => Method::FsCopy,
            "fs/watchMissing" => Method::FsWatchMissing,
            "lockgate/process/resize" => Method::LockgateProcessResize,
            "lockgate/process/closeStdin" => Method::LockgateProcessCloseStdin,
            "lockgate/process/signal" => Method::LockgateProcessSignal,
            "lockgate/process/list" => Method::LockgateProcessList,
            _ => return None,
        })
    }
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

    #[test]
    fn extensions_are_all_that_carry_our_prefix() {
        let prefixed: Vec<_> = Method::ALL
            .iter()
            .copied()
            .filter(|method| method.name().starts_with("lockgate/"))
            .collect();
        assert_eq!(prefixed, Method::EXTENSIONS);
    }
}
