#pragma once

/// TERCET_SANITIZED is defined where a sanitizer watches memory or threads, which takes memory of
/// its own: tests under a hard limit of memory are left out there. GCC says it by macros, clang by
/// features.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TERCET_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TERCET_SANITIZED
#endif
#endif
