#pragma once

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "base/result.h"

namespace tercet {

/// The functions of OpenSSL that we call.
#define TERCET_TLS_FUNCTIONS(X)                                                                 \
  X(ERR_clear_error) X(ERR_error_string_n) X(ERR_get_error) X(SSL_connect) X(SSL_CTX_ctrl)      \
  X(SSL_CTX_free) X(SSL_CTX_load_verify_locations) X(SSL_CTX_new)                               \
  X(SSL_CTX_set_default_verify_paths) X(SSL_CTX_set_verify)                                     \
  X(SSL_CTX_use_certificate_chain_file) X(SSL_CTX_use_PrivateKey_file) X(SSL_ctrl) X(SSL_free)  \
  X(SSL_get_error) X(SSL_get_verify_result) X(SSL_new) X(SSL_pending) X(SSL_read)               \
  X(SSL_set1_host) X(SSL_set_fd) X(SSL_write) X(TLS_client_method)                              \
  X(X509_verify_cert_error_string)

/// OpenSSL in a library of its own (cmake/TlsLibrary.cmake), opened when it is first asked for:
/// Arrow's libraries carry parts of another OpenSSL under the same names.
struct TlsLibrary {
#define TERCET_TLS_MEMBER(name) decltype(&::name) name = nullptr;
  TERCET_TLS_FUNCTIONS(TERCET_TLS_MEMBER)
#undef TERCET_TLS_MEMBER

  /// The one library of this process. IOError when it is not installed. Thread-safe.
  static Result<const TlsLibrary*> Get();
};

}  // namespace tercet
