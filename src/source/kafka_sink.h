#pragma once

#include <memory>
#include <string>

#include "source/record_sink.h"

namespace tercet {

/// A topic of Kafka. A record is a message with its key, acknowledged by all in-sync replicas; one
/// is written twice only when its acknowledgement was lost or others of its batch failed. Settings
/// of the process's own (security.protocol, sasl.password and so on) are lines "name=value" of the
/// file that TERCET_KAFKA_SETTINGS names. By librdkafka.
Result<std::unique_ptr<RecordSink>> OpenKafkaSink(const std::string& brokers,
                                                  const std::string& topic);

}  // namespace tercet
