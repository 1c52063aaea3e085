//! `capabilityRoots/discoverV1`: what an agent finds by a walk and dozens of reads, with one request.
//!
//! Each root is looked at as `fs/walk` and `fs/readFile` would: under its own profile, with policies asked about the walk before anything is done and
//! about each file before it is read. Nothing below a root is reached by a link. A root that fails says so and leaves the others alone; a file
//! that cannot be read is a warning.

mod look;

use lockgate_capfs::{AbsPath, WalkOptions};
use lockgate_wire::capability_roots::{DiscoverParams, DiscoverResult, Discovery, Root};
use lockgate_wire::response;
use tokio::sync::OwnedSemaphorePermit;

use crate::dispatch::{Answer, Answered, Caller, Request};
use crate::failure::Failure;
use crate::handlers::files::{Gate, Raw};
use crate::lane::{Asked, Order};
use crate::limits;
use crate::policy::{Decision, Permit, Question, file_walk};
use look::{Look, Room};

/// A root, and what it takes to look at it: a question to policies, then their permit.
struct Prepared<Q> {
    root: AbsPath,
    found: Discovery,
    gate: Result<(Gate, Q), Failure>,
}

pub(crate) fn discover(caller: &mut Caller, request: Request<'_>) -> Answered {
    let params: DiscoverParams<Raw<'_>> = request.params()?;
    let count = params.roots.len();
    if count > limits::DISCOVER_ROOTS {
        return Err(Failure::invalid_params(format!(
            "roots must have at most {} items, it has {count}",
            limits::DISCOVER_ROOTS
        )));
    }
    let roots: Vec<_> = params
        .roots
        .into_iter()
        .map(|root| prepare(caller, root))
        .collect();
    let guard = caller.guard().clone();
    let decide = move |asked: &Asked| decide(asked, roots);
    let job =
        move |asked: &Asked, roots: Vec<Prepared<Permit>>, share: Option<OwnedSemaphorePermit>| {
            let mut room = Room::new(limits::DISCOVER_BYTES, limits::BATCH_TIME);
            let mut result = DiscoverResult::default();
            for prepared in roots {
                asked.is_awaited()?;
                lockgate_capfs::workers::alive();
                let Prepared {
                    root,
                    mut found,
                    gate,
                } = prepared;
                let looked = match gate {
                    Err(failure) => Err(failure),
                    Ok(_) if room.is_over() => Err(Failure::invalid_request(look::TIME)),
                    Ok((gate, permit)) => {
                        Look::new(&gate, &guard, &mut room, &mut found).at(&root, &permit)
                    }
                };
                found.error = looked.err().map(|failure| failure.message);
                result.roots.push(found);
            }
            Ok((response(asked.id(), &result), share))
        };
    let pending = caller.pending(request);
    caller
        .files()
        .guarded_with_room(Order::Shared, pending, limits::DISCOVER_BYTES, decide, job);
    Ok(Answer::Later)
}

fn prepare(caller: &mut Caller, asked: Root<Raw<'_>>) -> Prepared<Question> {
    let Root { id, path, sandbox } = asked;
    let root = path.path.clone();
    let gate = Gate::new(caller, sandbox).map(|gate| {
        let question = gate.question(caller, || file_walk(&root, &WALK));
        (gate, question)
    });
    Prepared {
        root,
        found: Discovery {
            id,
            path,
            plugin: None,
            skills: Vec::new(),
            namespace_manifests: Vec::new(),
            warnings: Vec::new(),
            error: None,
        },
        gate,
    }
}

/// How a root is looked through. No link is followed.
const WALK: WalkOptions = WalkOptions {
    max_depth: limits::DISCOVER_DEPTH,
    max_directories: limits::DISCOVER_DIRECTORIES,
    max_entries: limits::DISCOVER_ENTRIES,
    follow_directory_symlinks: false,
    prune_hidden_directories: true,
    prune_links: false,
};

/// Has policies decide about all roots before any of them is looked at.
fn decide(
    asked: &Asked,
    roots: Vec<Prepared<Question>>,
) -> Result<Decision<Vec<Prepared<Permit>>>, Failure> {
    let mut judged = Vec::with_capacity(roots.len());
    for Prepared { root, found, gate } in roots {
        asked.is_awaited()?;
        let gate = gate.and_then(|(gate, question)| Ok((gate, question.decide()?)));
        judged.push(Prepared { root, found, gate });
    }
    let asks = |root: &Prepared<Decision<Permit>>| matches!(root.gate, Ok((_, Decision::Asks(_))));
    if judged.iter().any(asks) {
        let agreed = judged.into_iter().map(|root| async {
            let gate = match root.gate {
                Ok((gate, Decision::Settled(permit))) => Ok((gate, permit)),
                Ok((gate, Decision::Asks(asking))) => asking.await.map(|permit| (gate, permit)),
                Err(failure) => Err(failure),
            };
            Prepared {
                root: root.root,
                found: root.found,
                gate,
            }
        });
        let all = futures_util::future::join_all(agreed);
        return Ok(Decision::Asks(Box::pin(async { Ok(all.await) })));
    }
    let settled = judged.into_iter().filter_map(|root| {
        let gate = match root.gate {
            Ok((gate, Decision::Settled(permit))) => Ok((gate, permit)),
            Ok((_, Decision::Asks(_))) => return None,
            Err(failure) => Err(failure),
        };
        Some(Prepared {
            root: root.root,
            found: root.found,
            gate,
        })
    });
    Ok(Decision::Settled(settled.collect()))
}
