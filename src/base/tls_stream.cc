#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <ctime>
#include <map>
#include <memory>
#include <mutex>

#include "base/byte_stream.h"
#include "base/file_system.h"
#include "base/private_library.h"
#include "base/tcp_socket.h"
#include "base/tls_library.h"

namespace tercet {
namespace {

constexpr std::string_view kPurpose = "TLS needs OpenSSL's library";

Result<const TlsLibrary*> Load() {
  ARROW_ASSIGN_OR_RAISE(void* const handle, OpenPrivateLibrary("libtercet_tls.so", kPurpose));
  static TlsLibrary library;
  void* function = nullptr;
#define TERCET_TLS_FIND(name)                                             \
  ARROW_ASSIGN_OR_RAISE(function, FindFunction(handle, #name, kPurpose)); \
  library.name = reinterpret_cast<decltype(library.name)>(function);
  TERCET_TLS_FUNCTIONS(TERCET_TLS_FIND)
#undef TERCET_TLS_FIND
  return &library;
}

/// What OpenSSL says of its last failure in this thread.
std::string Reason(const TlsLibrary& tls) {
  const unsigned long code = tls.ERR_get_error();  // NOLINT: OpenSSL's type
  if (code == 0) return "no reason is given";
  std::array<char, 256> text{};
  tls.ERR_error_string_n(code, text.data(), text.size());
  return text.data();
}

/// Where distributions keep the certificates that they trust, beside where this OpenSSL was built.
std::string SystemCertificates() {
  for (const char* path : {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
                           "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"}) {
    if (LocalFileSystem()->Exists(path).ValueOr(false)) return path;
  }
  return "";
}

/// `context` made ready for these settings.
Status Prepare(const TlsLibrary& tls, const TlsSettings& settings, SSL_CTX* context) {
  tls.SSL_CTX_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, TLS1_2_VERSION, nullptr);
  tls.SSL_CTX_ctrl(context, SSL_CTRL_MODE, SSL_MODE_AUTO_RETRY, nullptr);
  tls.SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  tls.SSL_CTX_set_default_verify_paths(context);  // SSL_CERT_FILE, SSL_CERT_DIR
  const std::string trusted = settings.ca_file.empty() ? SystemCertificates() : settings.ca_file;
  if (!trusted.empty() &&
      tls.SSL_CTX_load_verify_locations(context, trusted.c_str(), nullptr) != 1) {
    return Status::IOError("the certificates in '", trusted, "' can't be read: ", Reason(tls));
  }
  const std::string& own = settings.certificate_file;
  if (own.empty()) return Status::OK();
  if (tls.SSL_CTX_use_certificate_chain_file(context, own.c_str()) != 1) {
    return Status::IOError("the certificate in '", own, "' can't be used: ", Reason(tls));
  }
  // The key is read after the certificate: that it fits is checked then.
  const std::string& key = settings.key_file;
  if (tls.SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1) {
    return Status::IOError("the key in '", key, "' can't be used with the certificate in '", own,
                           "': ", Reason(tls));
  }
  return Status::OK();
}

/// One a choice of files, for the whole process.
Result<SSL_CTX*> ContextFor(const TlsLibrary& tls, const TlsSettings& settings) {
  static std::mutex mutex;
  // Guarded by mutex; never destroyed, as little as the contexts, which threads may use to the end.
  static auto& contexts = *new std::map<std::array<std::string, 3>, SSL_CTX*>();
  const std::lock_guard lock(mutex);
  const std::array<std::string, 3> files = {settings.ca_file, settings.certificate_file,
                                            settings.key_file};
  if (const auto found = contexts.find(files); found != contexts.end()) return found->second;
  std::unique_ptr<SSL_CTX, decltype(tls.SSL_CTX_free)> context(
      tls.SSL_CTX_new(tls.TLS_client_method()), tls.SSL_CTX_free);
  if (context == nullptr) return Status::IOError("TLS can't be used: ", Reason(tls));
  ARROW_RETURN_NOT_OK(Prepare(tls, settings, context.get()));
  return contexts[files] = context.release();
}

/// As long as it lives, this thread gets no SIGPIPE: OpenSSL writes to its socket by write(2), and
/// a process that has not said otherwise would end when the other side has closed it.
class WithoutSigpipe {
 public:
  WithoutSigpipe() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    sigset_t pending;
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    ::pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~WithoutSigpipe() {
    const int error = errno;
    const timespec now{};
    if (!was_pending_) {
      while (::sigtimedwait(&pipe_, nullptr, &now) < 0 && errno == EINTR) {
      }
    }
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    errno = error;
  }
  WithoutSigpipe(const WithoutSigpipe&) = delete;

 private:
  sigset_t pipe_, before_;
  bool was_pending_;
};

class TlsStream : public ByteStream {
 public:
  TlsStream(const TlsLibrary* tls, TcpSocket socket, SSL* session)
      : tls_(*tls), socket_(std::move(socket)), session_(session) {}
  ~TlsStream() override { tls_.SSL_free(session_); }

  Status Handshake(const std::string& host, const std::string& advice) {
    if (tls_.SSL_set_fd(session_, socket_.fd()) != 1 ||
        tls_.SSL_ctrl(session_, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                      const_cast<char*>(host.c_str())) != 1 ||
        tls_.SSL_set1_host(session_, host.c_str()) != 1) {
      return Status::IOError("TLS can't be used: ", Reason(tls_));
    }
    tls_.ERR_clear_error();
    const WithoutSigpipe quiet;
    const int result = tls_.SSL_connect(session_);
    if (result == 1) return Status::OK();
    const long verified = tls_.SSL_get_verify_result(session_);  // NOLINT: OpenSSL's type
    if (verified != X509_V_OK) {
      return Status::IOError("its certificate is not trusted: ",
                             tls_.X509_verify_cert_error_string(verified), advice);
    }
    return Failure(result);
  }

  Status Write(std::string_view bytes) override {
    const WithoutSigpipe quiet;
    while (!bytes.empty()) {
      tls_.ERR_clear_error();
      const int size = static_cast<int>(std::min<size_t>(bytes.size(), INT_MAX));
      const int written = tls_.SSL_write(session_, bytes.data(), size);
      if (written <= 0) return Failure(written);
      bytes.remove_prefix(written);
    }
    return Status::OK();
  }

  Result<size_t> Read(char* into, size_t size) override {
    const WithoutSigpipe quiet;  // reading may have to answer
    tls_.ERR_clear_error();
    const int room = static_cast<int>(std::min<size_t>(size, INT_MAX));
    const int got = tls_.SSL_read(session_, into, room);
    if (got > 0) return static_cast<size_t>(got);
    if (tls_.SSL_get_error(session_, got) == SSL_ERROR_ZERO_RETURN) return 0;
    return Failure(got);
  }

  Status SetSilence(int silence_ms) override { return socket_.SetSilence(silence_ms); }
  bool IsIdle() override { return tls_.SSL_pending(session_) == 0 && socket_.IsIdle(); }

 private:
  Status Failure(int result) {
    const int error = errno;
    switch (tls_.SSL_get_error(session_, result)) {
      case SSL_ERROR_WANT_READ:  // the socket is blocking: its time limit passed
      case SSL_ERROR_WANT_WRITE:
        errno = EAGAIN;
        return SocketError();
      case SSL_ERROR_SYSCALL:
        if (error == 0) return Status::IOError("the server broke off");
        errno = error;
        return SocketError();
      default:
        return Status::IOError(Reason(tls_));
    }
  }

  const TlsLibrary& tls_;
  const TcpSocket socket_;
  SSL* const session_;
};

}  // namespace

Result<const TlsLibrary*> TlsLibrary::Get() {
  static const Result<const TlsLibrary*> library = Load();
  return library;
}

Result<std::unique_ptr<ByteStream>> ConnectTls(const std::string& host, const std::string& port,
                                               const TlsSettings& settings,
                                               const ConnectionPatience& patience) {
  ARROW_ASSIGN_OR_RAISE(const TlsLibrary* const tls, TlsLibrary::Get());
  ARROW_ASSIGN_OR_RAISE(SSL_CTX* const context, ContextFor(*tls, settings));
  ARROW_ASSIGN_OR_RAISE(TcpSocket socket, TcpSocket::Connect(host, port, patience));
  SSL* const session = tls->SSL_new(context);
  if (session == nullptr) return Status::IOError("TLS can't be used: ", Reason(*tls));
  auto stream = std::make_unique<TlsStream>(tls, std::move(socket), session);
  const std::string& name = settings.server_name.empty() ? host : settings.server_name;
  ARROW_RETURN_NOT_OK(stream->Handshake(name, settings.advice));
  return stream;
}

}  // namespace tercet
