//! Every method, with what it is to a policy. A new one does not compile before it is listed here, and a test sends each that is
//! guarded to a gate that denies everything.

use lockgate_policy_gate::ActionKind;
use lockgate_wire::Method;

/// What a method is to a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// It is asked about before anything is done.
    Asked(ActionKind),
    /// It is not, for this reason.
    Open(&'static str),
}

/// The door of a method.
pub(crate) fn door(method: Method) -> Door {
    const FILE: Door = Door::Asked(ActionKind::File);
    const TELLS: Door = Door::Open("tells what every client is told");
    const HANDLE: Door = Door::Open("goes on with what was asked about when it was opened");
    const OWN: Door = Door::Open("concerns a process that was asked about when it was started");
    const ENDS: Door = Door::Open("gives something up");
    match method {
        Method::Initialize | Method::EnvironmentInfo | Method::EnvironmentStatus => TELLS,
        Method::EnvironmentConfigRead
        | Method::CapabilitiesDiscoverV2
        | Method::FsGetMetadataBatch => Door::Open("is not implemented"),
        Method::HttpRequest => Door::Asked(ActionKind::Http),
        Method::ProcessStart => Door::Asked(ActionKind::ProcessStart),
        Method::ProcessWrite => Door::Asked(ActionKind::ProcessWrite),
        Method::ProcessRead
        | Method::ProcessSignal
        | Method::ProcessTerminate
        | Method::LockgateProcessResize
        | Method::LockgateProcessCloseStdin
        | Method::LockgateProcessSignal
        | Method::LockgateProcessList
        | Method::LockgateProcessAcknowledge => OWN,
        Method::FsReadFile
        | Method::CapabilityRootsDiscoverV1
        | Method::FsOpen
        | Method::FsWriteFile
        | Method::FsCreateDirectory
        | Method::FsGetMetadata
        | Method::FsCanonicalize
        | Method::FsReadDirectory
        | Method::FsWalk
        | Method::FsRemove
        | Method::FsCopy
        | Method::FsWatchMissing
        | Method::LockgateFsBatch
        | Method::LockgateFsReadTree
        | Method::LockgateFsListTree
        | Method::LockgateFsWriteTree
        | Method::LockgateFsWatch
        | Method::LockgateFsRename
        | Method::LockgateFsSymlink
        | Method::LockgateFsReadLink
        | Method::LockgateFsSetMode
        | Method::LockgateFsSetTimes
        | Method::LockgateFsReplaceFile
        | Method::LockgateFsAppendFile => FILE,
        Method::FsReadBlock
        | Method::FsWriteBlock
        | Method::LockgateFsWriteTreeBlock
        | Method::LockgateFsFinishTree => HANDLE,
        Method::FsClose | Method::LockgateFsUnwatch | Method::LockgateHttpCancel => ENDS,
        Method::LockgateHttpAcknowledge => HANDLE,
    }
}
