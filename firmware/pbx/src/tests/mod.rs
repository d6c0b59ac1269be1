//! Stories in virtual time: the PBX, and phones that are `offhook_sip` endpoints, on a small pretend network.

mod bad_input;
mod calls;
mod forwarding;
mod lamps;
mod office;
mod own_numbers;
mod registering;
mod restart;
