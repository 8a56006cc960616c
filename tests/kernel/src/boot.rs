//! From the loader's 32-bit entry to 64-bit Rust: page tables, descriptor table, stack.
//!
//! The PVH boot protocol (Xen's `x86/HVM direct boot ABI`) enters the address in an ELF note of type 18, in 32-bit
//! protected mode without paging and with interrupts off. The first gigabyte is mapped where it is, with pages of 2 MiB.
#![allow(unsafe_code, reason = "there is no Rust before this")]

core::arch::global_asm!(
    r#"
    .section .note.pvh, "a", @note
    .balign 4
    .long 4, 4, 18
    .asciz "Xen"
    .long pvh_start

    .section .boot, "ax", @progbits
    .code32
    .global pvh_start
pvh_start:
    cli
    movl $boot_stack_end, %esp
    # The tables are zero, as the loader cleared them with .bss.
    movl $boot_level3, %eax
    orl $3, %eax
    movl %eax, boot_level4
    movl $boot_level2, %eax
    orl $3, %eax
    movl %eax, boot_level3
    # 512 pages of 2 MiB: present, writable, large.
    movl $0x83, %eax
    xorl %ecx, %ecx
1:  movl %eax, boot_level2(,%ecx,8)
    addl $0x200000, %eax
    incl %ecx
    cmpl $512, %ecx
    jne 1b
    movl $boot_level4, %eax
    movl %eax, %cr3
    # Physical addresses of more than 32 bits, which long mode asks for.
    movl %cr4, %eax
    orl $0x20, %eax
    movl %eax, %cr4
    # Long mode enable, in the extended feature register.
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x100, %eax
    wrmsr
    # Paging on.
    movl %cr0, %eax
    orl $0x80000001, %eax
    movl %eax, %cr0
    lgdt boot_gdt_pointer
    ljmp $8, $boot_long_mode

    .code64
boot_long_mode:
    movw $16, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movq $boot_stack_end, %rsp
    xorl %ebp, %ebp
    call {entry}
    ud2

    .section .rodata, "a", @progbits
    .balign 8
boot_gdt:
    .quad 0
    .quad 0x00af9b000000ffff
    .quad 0x00cf93000000ffff
boot_gdt_pointer:
    .word 23
    .long boot_gdt

    .section .bss, "aw", @nobits
    .balign 4096
boot_level4: .skip 4096
boot_level3: .skip 4096
boot_level2: .skip 4096
boot_stack: .skip 0x40000
boot_stack_end:
    "#,
    entry = sym entry,
    options(att_syntax)
);

/// The first Rust code.
extern "C" fn entry() -> ! {
    crate::main()
}
