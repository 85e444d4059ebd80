#include "source/kafka_sink.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include <librdkafka/rdkafka.h>

#include "base/file_system.h"
#include "base/private_library.h"

namespace tercet {
namespace {

constexpr std::string_view kPurpose = "a kafka sink needs Kafka's client library";
constexpr int kPatienceMs = 6'000;

#define TERCET_KAFKA_FUNCTIONS(X)                                                         \
  X(conf_destroy) X(conf_new) X(conf_set) X(conf_set_dr_msg_cb) X(conf_set_error_cb)      \
  X(conf_set_opaque) X(destroy_flags) X(err2str) X(flush) X(last_error) X(new)            \
  X(poll) X(produce) X(purge) X(topic_destroy) X(topic_new)

/// librdkafka, opened when it is first asked for.
struct LibKafka {
#define TERCET_KAFKA_MEMBER(name) decltype(&::rd_kafka_##name) name##_ = nullptr;
  TERCET_KAFKA_FUNCTIONS(TERCET_KAFKA_MEMBER)
#undef TERCET_KAFKA_MEMBER

  static Result<const LibKafka*> Get() {
    static const Result<const LibKafka*> library = Load();
    return library;
  }

 private:
  static Result<const LibKafka*> Load() {
    ARROW_ASSIGN_OR_RAISE(void* const handle,
                          OpenSystemLibrary("librdkafka.so.1", kPurpose, "librdkafka1"));
    static LibKafka library;
    void* function = nullptr;
#define TERCET_KAFKA_FIND(name)                                                        \
  ARROW_ASSIGN_OR_RAISE(function, FindFunction(handle, "rd_kafka_" #name, kPurpose));  \
  library.name##_ = reinterpret_cast<decltype(library.name##_)>(function);
    TERCET_KAFKA_FUNCTIONS(TERCET_KAFKA_FIND)
#undef TERCET_KAFKA_FIND
    return &library;
  }
};

using Settings = std::vector<std::pair<std::string, std::string>>;

/// Those of the file that the process was given.
Result<Settings> OwnSettings() {
  Settings settings;
  const char* const path = std::getenv("TERCET_KAFKA_SETTINGS");
  if (path == nullptr || *path == '\0') return settings;
  ARROW_ASSIGN_OR_RAISE(const std::string text, LocalFileSystem()->ReadFile(path));
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string line = text.substr(at, end - at);
    at = end + 1;
    const size_t equals = line.find('=');
    if (line.empty() || line.front() == '#' || equals == std::string::npos) continue;
    settings.emplace_back(line.substr(0, equals), line.substr(equals + 1));
  }
  return settings;
}

class KafkaSink : public RecordSink {
 public:
  KafkaSink(const LibKafka* kafka, std::string brokers, std::string topic)
      : kafka_(kafka), brokers_(std::move(brokers)), topic_name_(std::move(topic)) {}
  ~KafkaSink() override { Disconnect(); }

  Status Write(std::span<const SinkRecord> records) override {
    if (producer_ == nullptr) ARROW_RETURN_NOT_OK(Connect());
    delivered_ = 0;
    failure_ = RD_KAFKA_RESP_ERR_NO_ERROR;
    Status status;
    for (const SinkRecord& record : records) {
      status = Produce(record);
      if (!status.ok()) break;
    }
    if (status.ok()) kafka_->flush_(producer_, kPatienceMs);
    if (status.ok() && delivered_ == records.size()) return status;
    if (status.ok()) {
      status = failure_ == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE
                   ? Status::Invalid(What(), ": ", kafka_->err2str_(failure_))
                   : Status::IOError(What(), ": ", Why());
    }
    // What still waits must not arrive beside what is tried again.
    kafka_->purge_(producer_, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    kafka_->flush_(producer_, kPatienceMs);
    Disconnect();
    return status;
  }

 private:
  std::string What() const { return "topic '" + topic_name_ + "' at " + brokers_; }

  std::string Why() const {
    if (!trouble_.empty()) return trouble_;
    return failure_ == RD_KAFKA_RESP_ERR_NO_ERROR ? "nothing was acknowledged in time"
                                                  : kafka_->err2str_(failure_);
  }

  static void OnDelivery(rd_kafka_t*, const rd_kafka_message_t* message, void* self) {
    KafkaSink& sink = *static_cast<KafkaSink*>(self);
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
      ++sink.delivered_;
    } else if (sink.failure_ == RD_KAFKA_RESP_ERR_NO_ERROR) {
      sink.failure_ = message->err;
    }
  }

  /// "all brokers are down", with the address.
  static void OnError(rd_kafka_t*, int, const char* reason, void* self) {
    static_cast<KafkaSink*>(self)->trouble_ = reason;
  }

  Status Connect() {
    trouble_.clear();
    ARROW_ASSIGN_OR_RAISE(Settings settings, OwnSettings());
    for (const auto& [name, value] : std::initializer_list<std::pair<const char*, std::string>>{
             {"bootstrap.servers", brokers_},
             {"client.id", "tercet"},
             {"enable.idempotence", "true"},
             {"compression.codec", "lz4"},
             {"linger.ms", "5"},
             {"log_level", "0"},  // what goes wrong is in our errors
             {"socket.timeout.ms", "5000"},
             {"message.timeout.ms", std::to_string(kPatienceMs)}}) {
      settings.emplace_back(name, value);
    }
    char error[512] = "";
    rd_kafka_conf_t* const conf = kafka_->conf_new_();
    for (const auto& [name, value] : settings) {
      if (kafka_->conf_set_(conf, name.c_str(), value.c_str(), error, sizeof(error)) !=
          RD_KAFKA_CONF_OK) {
        kafka_->conf_destroy_(conf);
        return Status::IOError(What(), ": ", error);
      }
    }
    kafka_->conf_set_opaque_(conf, this);
    kafka_->conf_set_dr_msg_cb_(conf, &OnDelivery);
    kafka_->conf_set_error_cb_(conf, &OnError);
    producer_ = kafka_->new_(RD_KAFKA_PRODUCER, conf, error, sizeof(error));
    if (producer_ == nullptr) {
      kafka_->conf_destroy_(conf);
      return Status::IOError(What(), ": ", error);
    }
    topic_ = kafka_->topic_new_(producer_, topic_name_.c_str(), nullptr);
    if (topic_ != nullptr) return Status::OK();
    const Status status = Status::IOError(What(), ": ", kafka_->err2str_(kafka_->last_error_()));
    Disconnect();
    return status;
  }

  Status Produce(const SinkRecord& record) {
    while (true) {
      // RD_KAFKA_MSG_F_COPY: it changes nothing of what it is given.
      const int produced = kafka_->produce_(
          topic_, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, const_cast<char*>(record.json.data()),
          record.json.size(), record.key.data(), record.key.size(), nullptr);
      if (produced == 0) return Status::OK();
      const rd_kafka_resp_err_t error = kafka_->last_error_();
      if (error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) {
        return Status::Invalid(What(), ": ", kafka_->err2str_(error));
      }
      if (error != RD_KAFKA_RESP_ERR__QUEUE_FULL || failure_ != RD_KAFKA_RESP_ERR_NO_ERROR) {
        return Status::IOError(What(), ": ", kafka_->err2str_(error));
      }
      kafka_->poll_(producer_, 100);  // makes room, or tells what failed
    }
  }

  void Disconnect() {
    if (topic_ != nullptr) kafka_->topic_destroy_(topic_);
    if (producer_ != nullptr) kafka_->destroy_flags_(producer_, 0);
    topic_ = nullptr;
    producer_ = nullptr;
  }

  const LibKafka* const kafka_;
  const std::string brokers_, topic_name_;
  rd_kafka_t* producer_ = nullptr;
  rd_kafka_topic_t* topic_ = nullptr;
  // Told by callbacks, which run within our calls of poll and flush.
  size_t delivered_ = 0;
  rd_kafka_resp_err_t failure_ = RD_KAFKA_RESP_ERR_NO_ERROR;
  std::string trouble_;
};

}  // namespace

Result<std::unique_ptr<RecordSink>> OpenKafkaSink(const std::string& brokers,
                                                  const std::string& topic) {
  ARROW_ASSIGN_OR_RAISE(const LibKafka* const kafka, LibKafka::Get());
  return std::make_unique<KafkaSink>(kafka, brokers, topic);
}

}  // namespace tercet
