//! What the allocator does with the memory of tensors that are gone.
#![allow(unsafe_code, reason = "an option of the allocator is set by its own C function")]

use std::ffi::{c_int, c_long};

/// `mi_option_purge_delay`, which the bindings do not name.
const PURGE_DELAY: c_int = 15;
/// Milliseconds for which memory that nobody uses stays with the process.
const DELAY: c_long = 10_000;

/// Lets `mimalloc` keep freed memory for ten seconds instead of one. A step of training takes and frees the same
/// memory over and over, and each time that it comes from the system anew, the system fills it with zeros first:
/// a twentieth of a step, and up to a quarter of a convolution. `MIMALLOC_PURGE_DELAY` goes before it.
///
/// For a program whose global allocator is `mimalloc`, once, before its first thread.
pub fn keep_freed_memory() {
    // SAFETY: a function of two numbers that checks the first and writes the second into a table, from the one
    // thread that there is.
    unsafe { libmimalloc_sys::mi_option_set_default(PURGE_DELAY, DELAY) };
}
