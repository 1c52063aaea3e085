//! Guests that misbehave, written as text: each limit ends them, and the fault has the limit's name.

use std::path::Path;
use std::time::{Duration, Instant};

use lockgate_engine::{
    Allocator, CacheChoice, Ceiling, Ceilings, CompiledCode, Digest, Engine, EngineError, Fault,
    Guest, HasCeilings, Options,
};
use wasmtime::Store;
use wasmtime::component::{Instance, TypedFunc};

struct Scope(Ceilings);

impl HasCeilings for Scope {
    fn ceilings(&mut self) -> &mut Ceilings {
        &mut self.0
    }
}

/// Exports: `nop`, `spin` (for ever), `grow` (to 17 pages more), `abort`, `recurse`, and `touch`, which adds one
/// to a word far in the memory and returns what was there before.
const GUEST: &str = r#"
(component
  (core module $m
    (memory (export "mem") 2)
    (table 1 funcref)
    (func (export "nop"))
    (func (export "spin") (loop $l (br $l)))
    (func (export "grow") (result i32) (memory.grow (i32.const 17)))
    (func (export "widen") (result i32) (table.grow (ref.null func) (i32.const 100000)))
    (func (export "abort") unreachable)
    (func $recurse (export "recurse") (call $recurse))
    (func (export "touch") (result i32)
      (local $was i32)
      (local.set $was (i32.load (i32.const 100000)))
      (i32.store (i32.const 100000) (i32.add (local.get $was) (i32.const 1)))
      (local.get $was)))
  (core instance $i (instantiate $m))
  (func (export "nop") (canon lift (core func $i "nop")))
  (func (export "spin") (canon lift (core func $i "spin")))
  (func (export "grow") (result s32) (canon lift (core func $i "grow")))
  (func (export "widen") (result s32) (canon lift (core func $i "widen")))
  (func (export "abort") (canon lift (core func $i "abort")))
  (func (export "recurse") (canon lift (core func $i "recurse")))
  (func (export "touch") (result s32) (canon lift (core func $i "touch")))
)"#;

const LONG: Duration = Duration::from_secs(60);

fn component() -> Vec<u8> {
    wat::parse_str(GUEST).expect("the text is a component")
}

fn engine(options: Options) -> Engine {
    Engine::new(&Options {
        cache: CacheChoice::Off,
        ..options
    })
    .expect("an engine")
}

fn load(engine: &Engine) -> Guest {
    engine.load(&component(), None).expect("loaded")
}

fn instantiate(
    engine: &Engine,
    guest: &Guest,
    ceilings: Ceilings,
) -> Result<(Store<Scope>, Instance), Fault> {
    let mut store = engine.store(Scope(ceilings));
    let ready = guest.ready(&engine.linker::<Scope>()).expect("no imports");
    let running = engine.limit_time(&mut store, LONG);
    let instance = ready.instantiate(&mut store);
    drop(running);
    Ok((store, instance?))
}

fn call(
    engine: &Engine,
    store: &mut Store<Scope>,
    instance: &Instance,
    name: &str,
    time: Duration,
) -> Result<(), Fault> {
    let function = instance.get_func(&mut *store, name).expect("exported");
    let _running = engine.limit_time(store, time);
    let mut results = vec![wasmtime::component::Val::S32(0); function.ty(&*store).results().len()];
    Ok(function.call(store, &[], &mut results)?)
}

fn once(name: &str, time: Duration) -> Result<(), Fault> {
    let engine = engine(Options::default());
    let (mut store, instance) = instantiate(&engine, &load(&engine), Ceilings::default())?;
    call(&engine, &mut store, &instance, name, time)
}

fn touch(engine: &Engine, guest: &Guest) -> i32 {
    let (mut store, instance) =
        instantiate(engine, guest, Ceilings::default()).expect("instantiated");
    let function: TypedFunc<(), (i32,)> = instance
        .get_typed_func(&mut store, "touch")
        .expect("exported");
    let _running = engine.limit_time(&mut store, LONG);
    function.call(&mut store, ()).expect("called").0
}

#[test]
fn a_guest_that_never_ends_is_ended_at_its_deadline_and_cannot_be_entered_again() {
    let engine = engine(Options::default());
    let (mut store, instance) =
        instantiate(&engine, &load(&engine), Ceilings::default()).expect("instantiated");
    let started = Instant::now();
    let asked = Duration::from_millis(20);
    assert_eq!(
        call(&engine, &mut store, &instance, "spin", asked),
        Err(Fault::Deadline)
    );
    assert!(started.elapsed() >= asked, "a deadline never comes early");
    assert_eq!(
        call(&engine, &mut store, &instance, "nop", LONG),
        Err(Fault::Spent)
    );
}

#[test]
fn deadlines_hold_after_the_clock_has_slept() {
    let engine = engine(Options::default());
    let guest = load(&engine);
    for _ in 0..2 {
        let (mut store, instance) =
            instantiate(&engine, &guest, Ceilings::default()).expect("instantiated");
        assert_eq!(
            call(
                &engine,
                &mut store,
                &instance,
                "spin",
                Duration::from_millis(1)
            ),
            Err(Fault::Deadline)
        );
        wait_until_threads_sleep();
    }
}

/// Waits until the clock's thread has been parked by its own decision: its voluntary switches stand still.
fn wait_until_threads_sleep() {
    let switches = || -> String {
        let tasks = std::fs::read_dir("/proc/self/task").expect("own threads");
        tasks
            .filter_map(|task| {
                let status = std::fs::read_to_string(task.ok()?.path().join("status")).ok()?;
                let clock = status.starts_with("Name:\tlockgate-epoch");
                clock.then(|| {
                    status
                        .lines()
                        .filter(|line| line.starts_with("voluntary"))
                        .collect::<String>()
                })
            })
            .collect()
    };
    let deadline = Instant::now() + LONG;
    let mut last = switches();
    while Instant::now() < deadline {
        // One look each 50 ms is ten ticks: a clock that ticks cannot look asleep.
        let next_look = Instant::now() + Duration::from_millis(50);
        while Instant::now() < next_look {
            std::thread::park_timeout(next_look - Instant::now());
        }
        let now = switches();
        if now == last {
            return;
        }
        last = now;
    }
    panic!("the clock never slept");
}

#[test]
fn a_store_without_a_deadline_runs_nothing() {
    let engine = engine(Options::default());
    let (mut store, instance) =
        instantiate(&engine, &load(&engine), Ceilings::default()).expect("instantiated");
    store.set_epoch_deadline(0);
    let spin: TypedFunc<(), ()> = instance
        .get_typed_func(&mut store, "spin")
        .expect("exported");
    let error = spin.call(&mut store, ()).expect_err("no time was given");
    assert_eq!(Fault::from(error), Fault::Deadline);
}

#[test]
fn every_way_to_fail_has_its_name() {
    assert_eq!(once("nop", LONG), Ok(()));
    assert_eq!(once("abort", LONG), Err(Fault::Aborted));
    assert_eq!(once("recurse", LONG), Err(Fault::Stack));
    assert_eq!(
        once("widen", LONG),
        Err(Fault::Ceiling(Ceiling::Table(10_000)))
    );
}

#[test]
fn attack_25_a_guest_that_fails_or_never_ends_as_it_starts_is_ended() {
    let engine = engine(Options::default());
    for (start, wanted) in [
        ("unreachable", Fault::Aborted),
        ("(loop $l (br $l))", Fault::Deadline),
        ("(call $s)", Fault::Stack),
    ] {
        let text = format!(
            "(component (core module $m (func $s {start}) (start $s)) (core instance $i (instantiate $m)))"
        );
        let component = wat::parse_str(text).expect("the text is a component");
        let guest = engine.load(&component, None).expect("loaded");
        let ready = guest.ready(&engine.linker::<Scope>()).expect("no imports");
        let mut store = engine.store(Scope(Ceilings::default()));
        let running = engine.limit_time(&mut store, Duration::from_millis(20));
        let fault = ready.instantiate(&mut store).map_err(Fault::from).err();
        drop(running);
        assert_eq!(fault, Some(wanted), "{start}");
        // The engine serves others.
        assert_eq!(touch(&engine, &load(&engine)), 0);
    }
}

#[test]
fn memory_grows_to_its_ceiling_and_not_past_it() {
    let engine = engine(Options::default());
    let guest = load(&engine);
    let pages = |pages: usize| Ceilings {
        memory_bytes: pages * 65_536,
        ..Ceilings::default()
    };
    let (mut store, instance) = instantiate(&engine, &guest, pages(19)).expect("instantiated");
    assert_eq!(call(&engine, &mut store, &instance, "grow", LONG), Ok(()));
    let (mut store, instance) = instantiate(&engine, &guest, pages(18)).expect("instantiated");
    let fault = call(&engine, &mut store, &instance, "grow", LONG);
    assert_eq!(fault, Err(Fault::Ceiling(Ceiling::Memory(18 * 65_536))));
    // A guest whose first memory is already too large does not start.
    let fault = instantiate(&engine, &guest, pages(1)).map(drop);
    assert_eq!(fault, Err(Fault::Ceiling(Ceiling::Memory(65_536))));
}

#[test]
fn a_full_pool_says_so_and_has_room_again_after_one_is_given_back() {
    let engine = engine(Options {
        instances: 2,
        ..Options::default()
    });
    assert_eq!(engine.report().allocator, Allocator::Pool(2));
    let guest = load(&engine);
    let first = instantiate(&engine, &guest, Ceilings::default()).expect("the first of two");
    let _second = instantiate(&engine, &guest, Ceilings::default()).expect("the second of two");
    let third = instantiate(&engine, &guest, Ceilings::default()).map(drop);
    assert_eq!(third, Err(Fault::PoolFull));
    drop(first);
    assert!(instantiate(&engine, &guest, Ceilings::default()).is_ok());
}

#[test]
fn where_no_pool_can_be_had_instances_are_made_one_by_one() {
    // More address space than any machine has.
    let engine = engine(Options {
        instances: 1_000_000,
        ..Options::default()
    });
    assert!(matches!(
        engine.report().allocator,
        Allocator::OnDemand { .. }
    ));
    let guest = load(&engine);
    assert_eq!(touch(&engine, &guest), 0);
    assert_eq!(touch(&engine, &guest), 0);
}

#[test]
fn an_instance_never_sees_what_the_last_one_in_its_slot_wrote() {
    for keep_resident in [0, 1 << 20] {
        let engine = engine(Options {
            instances: 1,
            keep_resident,
            ..Options::default()
        });
        let report = engine.report();
        assert_eq!(report.pagemap_scan, keep_resident > 0 && report.swap_is_off);
        let guest = load(&engine);
        for _ in 0..16 {
            assert_eq!(touch(&engine, &guest), 0, "keep_resident {keep_resident}");
        }
    }
}

#[test]
fn a_component_that_is_not_the_pinned_one_is_refused() {
    let engine = engine(Options::default());
    let bytes = component();
    let digest = Digest::of(&bytes);
    assert_eq!(
        engine.load(&bytes, Some(digest)).expect("pinned").digest(),
        digest
    );
    let wrong = engine.load(&bytes, Some(Digest::of(b"another")));
    assert!(matches!(wrong, Err(EngineError::Digest { found, .. }) if found == digest));
}

#[test]
fn bytes_that_are_no_component_and_components_that_want_imports_are_refused() {
    let engine = engine(Options::default());
    for bytes in [
        &b""[..],
        b"\0asm\x01\0\0\0",
        b"(component)",
        b"\x7fELF",
        &component()[..200],
    ] {
        assert!(matches!(
            engine.load(bytes, None),
            Err(EngineError::Invalid(_))
        ));
    }
    let wants = wat::parse_str(
        r#"(component (import "lockgate:files/secret" (instance (export "f" (func)))))"#,
    );
    let guest = engine
        .load(&wants.expect("a component"), None)
        .expect("loaded");
    let refused = guest
        .ready(&engine.linker::<Scope>())
        .map(drop)
        .expect_err("nothing is given");
    assert!(
        refused.to_string().contains("lockgate:files/secret"),
        "{refused}"
    );
}

#[test]
fn compiled_code_is_kept_and_found_again() {
    let home = tempfile::tempdir().expect("temporary directory");
    let cached = || {
        Engine::new(&Options {
            cache: CacheChoice::At(home.path().to_owned()),
            ..Options::default()
        })
        .expect("an engine")
    };
    let files = |directory: &Path| -> usize {
        let modules = directory.join("modules");
        std::fs::read_dir(modules)
            .map(|compilers| {
                compilers
                    .filter_map(|compiler| std::fs::read_dir(compiler.ok()?.path()).ok())
                    .map(|found| {
                        found
                            .filter(|file| {
                                file.as_ref()
                                    .is_ok_and(|file| file.path().extension().is_none())
                            })
                            .count()
                    })
                    .sum()
            })
            .unwrap_or(0)
    };
    let first = cached();
    let CompiledCode::Cached(directory) = first.report().compiled_code.clone() else {
        panic!("{:?}", first.report());
    };
    assert_eq!(first.cache_directory(), Some(&*directory));
    let guest = load(&first);
    assert_eq!(touch(&first, &guest), 0);
    assert_eq!(files(&directory), 1);
    let second = cached();
    let guest = load(&second);
    assert_eq!(touch(&second, &guest), 0);
    assert_eq!(files(&directory), 1);
}
