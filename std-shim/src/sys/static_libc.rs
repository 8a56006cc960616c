//! Strong names of the thread functions that `underpin-linux` names weakly.
//!
//! In a statically linked program a weak reference does not pull a function out of the C library's archive, and `std` itself
//! uses only some of these.
#![allow(unsafe_code, reason = "foreign declarations")]

unsafe extern "C" {
    fn pthread_create();
    fn pthread_join();
    fn pthread_detach();
    fn pthread_self();
    fn pthread_attr_init();
    fn pthread_attr_setstacksize();
    fn pthread_attr_destroy();
    fn pthread_key_create();
    fn pthread_key_delete();
    fn pthread_getspecific();
    fn pthread_setspecific();
}

#[used]
static PTHREAD: [unsafe extern "C" fn(); 11] = [
    pthread_create,
    pthread_join,
    pthread_detach,
    pthread_self,
    pthread_attr_init,
    pthread_attr_setstacksize,
    pthread_attr_destroy,
    pthread_key_create,
    pthread_key_delete,
    pthread_getspecific,
    pthread_setspecific,
];
