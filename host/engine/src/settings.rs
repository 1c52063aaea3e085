//! wasmtime's settings: everything that is chosen for every guest, and why.

use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::engine::Options;
use crate::limits;

/// Address space reserved for a memory where no pool can be had: a machine that refuses the pool's terabytes of
/// reservation (`ulimit -v`, strict overcommit) refuses 4 GiB for each memory as well. Guest code then checks its bounds itself.
const RESERVATION_WITHOUT_POOL: u64 = 16 * 1024 * 1024;

/// What both kinds of engine have in common.
fn common() -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .epoch_interruption(true)
        .max_wasm_stack(limits::MAX_GUEST_STACK_BYTES)
        // Calls are synchronous; without this each store carries the machinery of concurrent ones.
        .concurrency_support(false)
        // The same question gets the same answer on every machine.
        .relaxed_simd_deterministic(true)
        // What no guest of ours uses is not offered: less to compile, less to trust.
        .wasm_memory64(false)
        // Unwinding information is for debuggers of native code; loading a guest is faster without.
        .native_unwind_info(false);
    config
}

/// Instances out of a pool; a given-back slot keeps some bytes of its memory mapped.
pub(crate) fn pooled(options: &Options, pagemap_scan: bool) -> Config {
    let instances = options.instances;
    let shape = options.shape;
    let mut pool = PoolingAllocationConfig::new();
    // Memory protection keys stay off, by the feature that is not compiled in: they let one instance
    // read another's copy-on-write image (bytecodealliance/wasmtime#13982).
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(shape.core_instances))
        .total_tables(instances.saturating_mul(shape.tables))
        .total_memories(instances.saturating_mul(shape.memories))
        .max_memories_per_module(shape.memories)
        .max_tables_per_module(shape.tables)
        // Nothing of ours is asynchronous; each stack would take two of the process's memory maps, a thousand of them in each engine.
        .total_stacks(1)
        .max_memory_size(limits::MAX_MEMORY_BYTES)
        .linear_memory_keep_resident(match pagemap_scan {
            true => limits::SCANNED_KEEP_RESIDENT.max(options.keep_resident),
            false => options.keep_resident,
        })
        .table_keep_resident(options.keep_resident.min(limits::TABLE_KEEP_RESIDENT))
        .pagemap_scan(match pagemap_scan {
            true => Enabled::Auto,
            false => Enabled::No,
        });
    let mut config = common();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

/// Instances made one by one.
pub(crate) fn on_demand() -> Config {
    let mut config = common();
    config
        .allocation_strategy(InstanceAllocationStrategy::OnDemand)
        .memory_reservation(RESERVATION_WITHOUT_POOL);
    config
}

/// Whether the kernel may tell wasmtime which pages of a freed memory to clear. With swapped-out pages it tells wrongly, and the next
/// instance sees what the last one wrote (bytecodealliance/wasmtime#14357): only on a machine without swap, and only if it says so.
pub(crate) fn swap_is_off() -> bool {
    std::fs::read_to_string("/proc/swaps").is_ok_and(|swaps| has_no_swap(&swaps))
}

/// The table has one line of headings and one for each swap area.
fn has_no_swap(swaps: &str) -> bool {
    swaps.lines().count() == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swap_is_off_only_where_the_table_says_so() {
        let headings = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";
        assert!(has_no_swap(headings));
        assert!(!has_no_swap(&format!(
            "{headings}/dev/zram0 partition 1 0 -2\n"
        )));
        assert!(!has_no_swap(""), "an empty table says nothing");
    }
}
