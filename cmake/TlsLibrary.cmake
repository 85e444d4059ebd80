# libtercet_tls.so: OpenSSL's archives as a library of our own that exports the few functions that
# src/base calls and binds its own calls to itself. Arrow's libraries export parts of another
# OpenSSL under the same names, which a linked libssl.so.3 would mix with its own. Nothing links it:
# src/base opens it at the first TLS connection.
find_library(OPENSSL_SSL_ARCHIVE libssl.a REQUIRED)
find_library(OPENSSL_CRYPTO_ARCHIVE libcrypto.a REQUIRED)

set(TlsLibrary ${CMAKE_BINARY_DIR}/lib/libtercet_tls.so)
file(WRITE ${CMAKE_BINARY_DIR}/tls.map "{ global: ERR_clear_error; ERR_error_string_n; \
ERR_get_error; SSL_*; TLS_client_method; X509_verify_cert_error_string; local: *; };\n")
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
add_custom_command(
  OUTPUT ${TlsLibrary}
  COMMAND ${CMAKE_CXX_COMPILER} -shared -o ${TlsLibrary}
          -Wl,--whole-archive ${OPENSSL_SSL_ARCHIVE} -Wl,--no-whole-archive
          ${OPENSSL_CRYPTO_ARCHIVE} -Wl,-Bsymbolic -Wl,-z,defs
          -Wl,--version-script=${CMAKE_BINARY_DIR}/tls.map -lpthread -ldl
  DEPENDS ${OPENSSL_SSL_ARCHIVE} ${OPENSSL_CRYPTO_ARCHIVE} ${CMAKE_BINARY_DIR}/tls.map VERBATIM)
add_custom_target(tercet_tls DEPENDS ${TlsLibrary})
