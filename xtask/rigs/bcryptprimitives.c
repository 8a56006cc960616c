/* bcryptprimitives.dll for a wine that has none: Rust's std takes its random numbers from its one export, ProcessPrng.
 *
 * x86_64-w64-mingw32-gcc -shared -nostartfiles -nostdlib -Wl,-e,0 -o bcryptprimitives.dll bcryptprimitives.c -ladvapi32 -lkernel32
 */
#include <stddef.h>
#include <windows.h>

BOOLEAN NTAPI SystemFunction036(PVOID buffer, ULONG bytes);

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE buffer, SIZE_T bytes)
{
    while (bytes != 0) {
        ULONG part = bytes > 0x40000000 ? 0x40000000 : (ULONG)bytes;
        if (!SystemFunction036(buffer, part))
            return FALSE;
        buffer += part;
        bytes -= part;
    }
    return TRUE;
}
