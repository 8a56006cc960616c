//! The machine's ports: the serial line, the timer that measures time, and the end.
#![allow(unsafe_code, reason = "port instructions")]

use core::arch::asm;
use core::fmt;

/// The first serial port.
const SERIAL: u16 = 0x3f8;
/// The emulator's debug device.
const EXIT: u16 = 0xf4;

/// Writes a byte to a port.
///
/// # Safety
/// The device behind the port does nothing to memory.
pub(crate) unsafe fn write(port: u16, byte: u8) {
    // SAFETY: the caller's promise.
    unsafe {
        asm!("out dx, al", in("dx") port, in("al") byte, options(nomem, nostack, preserves_flags))
    };
}

/// Reads a byte from a port.
///
/// # Safety
/// As for [`write`].
pub(crate) unsafe fn read(port: u16) -> u8 {
    let byte;
    // SAFETY: the caller's promise.
    unsafe {
        asm!("in al, dx", in("dx") port, out("al") byte, options(nomem, nostack, preserves_flags))
    };
    byte
}

/// The serial line.
#[derive(Clone, Copy)]
pub(crate) struct Serial;

impl fmt::Write for Serial {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            // SAFETY: the serial port works byte by byte and has no access to memory.
            unsafe {
                // Bit 5 of the line status: there is room for a byte.
                while read(SERIAL + 5) & 0x20 == 0 {
                    core::hint::spin_loop();
                }
                write(SERIAL, byte);
            }
        }
        Ok(())
    }
}

/// Ends the emulator: it exits with 2 * value + 1, so with 33 for success and 35 else.
pub(crate) fn finish(success: bool) -> ! {
    // SAFETY: the debug device ends the machine; where there is none, nobody listens at its port.
    unsafe { write(EXIT, if success { 16 } else { 17 }) };
    loop {
        // SAFETY: interrupts are off, so this is the end, whatever memory holds.
        unsafe { asm!("hlt", options(nomem, nostack)) };
    }
}
