//! What the console tells its programs: Ctrl-C, Ctrl-Break, and that it closes.
#![allow(unsafe_code, reason = "calls the system, and is called by it")]

use crate::handle::last_error;
use core::sync::atomic::{AtomicPtr, Ordering};
use underpin_core::{Operation, Result};
use windows_sys::Win32::System::Console::SetConsoleCtrlHandler;
use windows_sys::core::BOOL;

/// Who hears, as [`hear_console`] got it.
static HEARER: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());

unsafe extern "system" fn handler(event: u32) -> BOOL {
    let hearer = HEARER.load(Ordering::Acquire);
    if hearer.is_null() {
        return 0;
    }
    // SAFETY: what is stored there, but null, is such a function.
    let hear = unsafe { core::mem::transmute::<*mut (), fn(u32) -> bool>(hearer) };
    BOOL::from(hear(event))
}

/// Has `hear` called for each console event from now on, for ever, in place of what was given before, on a thread that the system makes for
/// it. It is told the event's number (`CTRL_C_EVENT` and so on) and says whether it was dealt with; else what would have happened does,
/// as a rule the end of the process. After the last three events (`CTRL_CLOSE_EVENT` and later) the process ends when it returns.
///
/// `hear` must not panic.
///
/// # Errors
/// The system's.
pub fn hear_console(hear: fn(u32) -> bool) -> Result<()> {
    let before = HEARER.swap(hear as *mut (), Ordering::AcqRel);
    if !before.is_null() {
        return Ok(());
    }
    // SAFETY: the handler stays for ever.
    if unsafe { SetConsoleCtrlHandler(Some(handler), 1) } == 0 {
        HEARER.store(core::ptr::null_mut(), Ordering::Release);
        return Err(last_error(Operation::Ring));
    }
    Ok(())
}
