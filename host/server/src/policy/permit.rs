//! What policies have left of a request.

use std::time::Duration;

use lockgate_capfs::{Files, FsError};
use lockgate_grant::narrowing::{GrantEntry, restricts};
use lockgate_policy_gate::Ruling;
use lockgate_wire::code;

use super::wording;
use crate::failure::Failure;

/// How refusals are told that come of what is there, whatever is granted: something has the name, is a directory, or none, or holds something, links lead
/// in a circle, a name is too long, or there is a pipe or the like.
const OF_WHAT_IS_THERE: [&str; 7] = [
    "(os error 17)",
    "(os error 20)",
    "(os error 21)",
    "(os error 36)",
    "(os error 39)",
    "(os error 40)",
    "not a regular file",
];

/// That a request may go on, and within what. Only this folder makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Permit {
    /// Every one of these holds, beside the request's own profile.
    pub(crate) grants: Vec<Vec<GrantEntry>>,
    /// Environment variables that a process does not get.
    pub(crate) drop_env: Vec<String>,
    /// From the start of a process or an HTTP exchange.
    pub(crate) time_limit: Option<Duration>,
    /// Bytes that a process writes, a file read returns, or the body of an HTTP response has.
    pub(crate) output_limit: Option<u64>,
    _made_here: (),
}

impl Permit {
    /// Nothing is made smaller.
    pub(super) fn whole() -> Permit {
        Permit {
            grants: Vec::new(),
            drop_env: Vec::new(),
            time_limit: None,
            output_limit: None,
            _made_here: (),
        }
    }

    /// A refusal of the capability gate, told as what it may come from: whoever asked sees no profile that would say so.
    pub(crate) fn explained(&self, failure: Failure) -> Failure {
        let is_refusal = matches!(failure.code, code::INVALID_REQUEST | code::NOT_FOUND)
            // A name that is protected, which the system has this word for.
            || failure.message.contains("(os error 30)");
        let is_of_what_is_there = OF_WHAT_IS_THERE
            .iter()
            .any(|words| failure.message.contains(words));
        // What leaves everything is no reason.
        match is_refusal && !is_of_what_is_there && restricts(&self.grants) {
            true => wording::in_part(failure),
            false => failure,
        }
    }

    /// [`Permit::explained`] of what was done with these files: they may be all but the executor's own.
    pub(crate) fn explained_under(&self, files: &Files, failure: Failure) -> Failure {
        let around_own = matches!(files, Files::Scoped(scope) if scope.is_around_own());
        // No permission, or a file system that is read-only: what the gate says of these.
        let is_refusal = ["(os error 13)", "(os error 30)"]
            .iter()
            .any(|errno| failure.message.contains(errno));
        match around_own && is_refusal {
            true => wording::own(failure),
            false => self.explained(failure),
        }
    }

    /// Whether so many bytes of files may be returned.
    pub(crate) fn allows(&self, bytes: u64) -> Result<(), Failure> {
        match self.output_limit {
            Some(limit) if bytes > limit => Err(wording::too_much_read(limit)),
            _ => Ok(()),
        }
    }

    /// What comes of reading a file of which more was there than `most`, the smaller of a limit of ours and the policies'.
    pub(crate) fn read<T>(&self, most: u64, read: Result<T, FsError>) -> Result<T, Failure> {
        match (read, self.output_limit) {
            (Err(FsError::TooLarge { .. }), Some(limit)) if limit <= most => {
                Err(wording::too_much_read(limit))
            }
            (read, _) => Ok(read?),
        }
    }

    /// `bytes`, or what policies allow if that is less.
    pub(crate) fn at_most(&self, bytes: u64) -> u64 {
        self.output_limit.map_or(bytes, |limit| limit.min(bytes))
    }

    /// What a ruling leaves, beside what others have left.
    pub(super) fn narrow(&mut self, ruling: &Ruling) {
        self.grants.extend(ruling.grants.iter().cloned());
        self.drop_env.extend(ruling.drop_env.iter().cloned());
        let time = ruling.time_limit.map(Duration::from_millis);
        self.time_limit = self.time_limit.into_iter().chain(time).min();
        self.output_limit = self
            .output_limit
            .into_iter()
            .chain(ruling.output_limit)
            .min();
    }
}
