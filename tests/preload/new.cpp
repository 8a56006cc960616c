// C++'s operators: alignment, failure by exception, by null and by handler.
#include <cstdint>
#include <cstdio>
#include <memory>
#include <new>
#include <string>
#include <vector>

static int handled;
static int failures;
static void check(bool right, const char *what) {
    if (!right) {
        std::printf("FAILED: %s\n", what);
        failures++;
    }
}
struct alignas(256) Wide {
    char bytes[300];
};
static volatile std::size_t huge = SIZE_MAX / 2;

int main() {
    std::vector<std::string> words;
    for (int i = 0; i < 10000; i++)
        words.push_back(std::string(i % 300, 'x'));
    std::unique_ptr<Wide[]> wide(new Wide[10]);
    check(reinterpret_cast<std::uintptr_t>(wide.get()) % 256 == 0, "aligned new");
    try {
        ::operator delete(::operator new(huge));
        check(false, "no exception");
    } catch (const std::bad_alloc &) {
    }
    try {
        ::operator delete(::operator new(huge, std::align_val_t(64)), std::align_val_t(64));
        check(false, "no exception, aligned");
    } catch (const std::bad_alloc &) {
    }
    check(::operator new(huge, std::nothrow) == nullptr, "nothrow new");
    check(::operator new[](huge, std::nothrow) == nullptr, "nothrow new[]");
    check(::operator new(huge, std::align_val_t(64), std::nothrow) == nullptr, "nothrow aligned new");
    std::set_new_handler([] {
        if (++handled == 3)
            std::set_new_handler(nullptr);
    });
    try {
        ::operator delete(::operator new(huge));
        check(false, "no exception after the handler");
    } catch (const std::bad_alloc &) {
    }
    check(handled == 3, "the handler ran until it gave up");
    std::set_new_handler([] { throw 7; });
    try {
        ::operator delete[](::operator new[](huge));
    } catch (int seven) {
        check(seven == 7, "the handler's exception arrives");
    }
    ::operator delete(::operator new(0), std::size_t(0));
    std::puts(failures ? "new: failed" : "new: all right");
    return failures != 0;
}
