//! The system's error numbers and WASI's error codes, each way.

use rustix::io::Errno;

use super::bindings::wasi::filesystem::types::ErrorCode;

macro_rules! pairs {
    ($($errno:ident = $code:ident),* $(,)?) => {
        /// The code for an error number; `io` for those that WASI has no word for.
        pub(crate) fn from_errno(errno: Errno) -> ErrorCode {
            match errno {
                $(Errno::$errno => ErrorCode::$code,)*
                other => {
                    tracing::debug!(errno = other.raw_os_error(), "error number without a WASI code");
                    ErrorCode::Io
                }
            }
        }

        /// The error number that a code stands for, so that the client reads the system's own words.
        pub(crate) fn to_errno(code: ErrorCode) -> Errno {
            match code {
                $(ErrorCode::$code => Errno::$errno,)*
            }
        }
    };
}

pairs! {
    ACCESS = Access,
    AGAIN = WouldBlock,
    ALREADY = Already,
    BADF = BadDescriptor,
    BUSY = Busy,
    DEADLK = Deadlock,
    DQUOT = Quota,
    EXIST = Exist,
    FBIG = FileTooLarge,
    ILSEQ = IllegalByteSequence,
    INPROGRESS = InProgress,
    INTR = Interrupted,
    INVAL = Invalid,
    IO = Io,
    ISDIR = IsDirectory,
    LOOP = Loop,
    MLINK = TooManyLinks,
    MSGSIZE = MessageSize,
    NAMETOOLONG = NameTooLong,
    NODEV = NoDevice,
    NOENT = NoEntry,
    NOLCK = NoLock,
    NOMEM = InsufficientMemory,
    NOSPC = InsufficientSpace,
    NOTDIR = NotDirectory,
    NOTEMPTY = NotEmpty,
    NOTRECOVERABLE = NotRecoverable,
    NOTSUP = Unsupported,
    NOTTY = NoTty,
    NXIO = NoSuchDevice,
    OVERFLOW = Overflow,
    PERM = NotPermitted,
    PIPE = Pipe,
    ROFS = ReadOnly,
    SPIPE = InvalidSeek,
    TXTBSY = TextFileBusy,
    XDEV = CrossDevice,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_survives_its_code() {
        for errno in [
            Errno::NOENT,
            Errno::ACCESS,
            Errno::PERM,
            Errno::ROFS,
            Errno::DQUOT,
            Errno::AGAIN,
        ] {
            assert_eq!(to_errno(from_errno(errno)), errno);
        }
        assert_eq!(to_errno(from_errno(Errno::STALE)), Errno::IO);
    }
}
