//! An allocator that counts, and has so much and no more.

use lodis::engine::meter::Meter;
use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// So much one input may take. What asks for more is told that there is none, and has to say so: who
/// does not ask ends the program.
const LIMIT: usize = 192 << 20;
/// Engines are told that memory ends when so much is left.
const RESERVE: usize = 8 << 20;

static USED: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

struct Limited;

#[global_allocator]
static ALLOCATOR: Limited = Limited;

fn take(bytes: usize) -> bool {
    let used = USED.fetch_add(bytes, Relaxed) + bytes;
    if used > LIMIT {
        USED.fetch_sub(bytes, Relaxed);
        return false;
    }
    PEAK.fetch_max(used, Relaxed);
    true
}

// SAFETY: every call is handed to `System` as it is, or answered with null, which means that there is
// no memory; counting touches no memory of it.
unsafe impl GlobalAlloc for Limited {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !take(layout.size()) {
            return ptr::null_mut();
        }
        // SAFETY: the caller keeps `alloc`'s contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if !take(layout.size()) {
            return ptr::null_mut();
        }
        // SAFETY: the caller keeps `alloc_zeroed`'s contract.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        USED.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller keeps `dealloc`'s contract.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !take(size) {
            return ptr::null_mut();
        }
        USED.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller keeps `realloc`'s contract.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// Bytes that there are.
pub fn used() -> usize {
    USED.load(Relaxed)
}

/// What engines ask.
pub const METER: Meter = Meter {
    used,
    peak: || PEAK.load(Relaxed),
    total: || PEAK.load(Relaxed),
    has_reserve: || used() + RESERVE < LIMIT,
};
