//! What must not compile: each of these would let a job outlive what it borrows, or share what is not to be shared.
//!
//! A job that borrows from the scope's own body, which may end before it does:
//!
//! ```compile_fail,E0373
//! underpin::pool::scope(|scope| {
//!     let local = 1;
//!     scope.spawn(|_| assert_eq!(local, 1));
//! });
//! ```
//!
//! ```compile_fail,E0597
//! underpin::pool::scope(|scope| {
//!     let local = vec![1];
//!     let borrowed = &local;
//!     scope.spawn(move |_| assert_eq!(borrowed.len(), 1));
//! });
//! ```
//!
//! The same with the value outside, which is right:
//!
//! ```
//! let local = vec![1];
//! let borrowed = &local;
//! underpin::pool::scope(|scope| {
//!     scope.spawn(move |_| assert_eq!(borrowed.len(), 1));
//! });
//! ```
//!
//! A scope that leaves its body:
//!
//! ```compile_fail,E0521
//! let mut kept = None;
//! underpin::pool::scope(|scope| kept = Some(scope));
//! ```
//!
//! A job of its own that borrows at all:
//!
//! ```compile_fail,E0373
//! let local = vec![1];
//! underpin::pool::spawn(|| assert_eq!(local.len(), 1));
//! ```
//!
//! What is not `Send`, in a half, in a job, in a result:
//!
//! ```compile_fail,E0277
//! let counted = std::rc::Rc::new(1);
//! let other = counted.clone();
//! underpin::pool::join(move || *counted, move || *other);
//! ```
//!
//! ```compile_fail,E0277
//! let counted = std::rc::Rc::new(1);
//! underpin::pool::scope(|scope| scope.spawn(move |_| drop(counted)));
//! ```
//!
//! ```compile_fail,E0277
//! underpin::pool::join(|| 1, || std::rc::Rc::new(1));
//! ```
//!
//! A worker's handle on another thread:
//!
//! ```compile_fail,E0277
//! underpin::pool::enter(|worker| {
//!     std::thread::scope(|threads| {
//!         threads.spawn(move || worker.join(|_| (), |_| ()));
//!     });
//! });
//! ```
//!
//! One place changed by two halves:
//!
//! ```compile_fail,E0499
//! let mut number = 1;
//! underpin::pool::join(|| number += 1, || number += 2);
//! ```
//!
//! A loop whose closure changes what all parts share, or shares what is not `Sync`:
//!
//! ```compile_fail,E0594
//! use underpin::pool::iter::*;
//! let mut sum = 0;
//! [1, 2, 3].par_iter().for_each(|n| sum += n);
//! ```
//!
//! ```compile_fail,E0277
//! use underpin::pool::iter::*;
//! let cell = std::cell::Cell::new(0);
//! [1, 2, 3].par_iter().for_each(|n| cell.set(cell.get() + n));
//! ```
//!
//! ```compile_fail
//! use underpin::pool::iter::*;
//! let cells = [std::cell::Cell::new(0)];
//! cells.par_iter().for_each(|cell| cell.set(1));
//! ```
#![forbid(unsafe_code)]
