//! What the server is still to be told of processes, by nobody who waits for it: whoever drops something has gone on.
//!
//! It is said once on a link, and what has to hold over a lost one stays until the server has answered.

use lockgate_wire::ProcessId;

/// Something to be told of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    /// It is to be ended: its start was given up or interrupted, so nobody follows it.
    End,
    /// Nobody reads it any more, so it is not to wait for that.
    LetGo,
    /// How far it has been read. Of one that is lost with its link the next one makes up for it, which is at the latest what recovery asks after.
    Acknowledge,
}

/// In the order in which it came up.
#[derive(Debug, Default)]
pub(crate) struct Owed(Vec<Debt>);

#[derive(Debug)]
struct Debt {
    word: Word,
    process: ProcessId,
    /// On the link of the moment.
    is_said: bool,
}

impl Owed {
    pub(crate) fn add(&mut self, word: Word, process: &ProcessId) {
        if !self.has(word, process) {
            self.0.push(Debt {
                word,
                process: process.clone(),
                is_said: false,
            });
        }
    }

    pub(crate) fn has(&self, word: Word, process: &ProcessId) -> bool {
        self.0.iter().any(|debt| debt.is(word, process))
    }

    /// The server has answered, or it does not matter any more.
    pub(crate) fn remove(&mut self, word: Word, process: &ProcessId) {
        self.0.retain(|debt| !debt.is(word, process));
    }

    /// All processes of which that is to be told, whether or not it was said on this link.
    pub(crate) fn all(&self, word: Word) -> Vec<ProcessId> {
        let all = self.0.iter().filter(|debt| debt.word == word);
        all.map(|debt| debt.process.clone()).collect()
    }

    /// Whether something is still to be said.
    pub(crate) fn is_open(&self) -> bool {
        self.0.iter().any(|debt| !debt.is_said)
    }

    /// One of these, which is said now.
    pub(crate) fn say(&mut self) -> Option<(Word, ProcessId)> {
        let at = self.0.iter().position(|debt| !debt.is_said)?;
        if self.0[at].word == Word::Acknowledge {
            let debt = self.0.remove(at);
            return Some((debt.word, debt.process));
        }
        let debt = &mut self.0[at];
        debt.is_said = true;
        Some((debt.word, debt.process.clone()))
    }

    /// The link is lost, with what was said on it.
    pub(crate) fn lose(&mut self) {
        for debt in &mut self.0 {
            debt.is_said = false;
        }
    }
}

impl Debt {
    fn is(&self, word: Word, process: &ProcessId) -> bool {
        self.word == word && self.process == *process
    }
}
