#include <google/protobuf/io/coded_stream.h>

#include <climits>
#include <cstring>
#include <memory>
#include <new>

#include "messages.hpp"

namespace {

/// Silences protobuf's own messages on stderr: what is wrong is told by the status.
const bool silenced = [] {
  google::protobuf::SetLogHandler(nullptr);
  return true;
}();

struct Diagnosis {
  connx_status status;
  size_t offset;
};

/// True for a ModelProto's fields (26: newer than this library), each with its wire type.
bool is_model_field(uint32_t number, uint32_t wire_type) {
  switch (number) {
    case 1:
    case 5:
      return wire_type == 0;
    case 2:
    case 3:
    case 4:
    case 6:
    case 7:
    case 8:
    case 14:
    case 20:
    case 25:
    case 26:
      return wire_type == 2;
    default:
      return false;
  }
}

/// Why protobuf refused the bytes, from a walk over the outermost fields.
Diagnosis diagnose(const uint8_t *data, size_t size) {
  google::protobuf::io::CodedInputStream input(data, static_cast<int>(size));
  input.SetTotalBytesLimit(INT_MAX);
  bool first = true;
  while (true) {
    const size_t start = static_cast<size_t>(input.CurrentPosition());
    const uint32_t tag = input.ReadTag();
    if (tag == 0) {
      if (start == size) break;
      return {first ? connx_not_onnx : connx_truncated, start};
    }
    // A text or another format goes astray at once.
    if (!is_model_field(tag >> 3, tag & 7)) {
      if (first) return {connx_not_onnx, start};
      if (tag >> 3 == 0 || tag >> 3 > 1000) return {connx_malformed, start};
    }
    uint64_t value;
    switch (tag & 7) {
      case 0:
        if (!input.ReadVarint64(&value)) return {first ? connx_not_onnx : connx_truncated, start};
        break;
      case 2: {
        if (!input.ReadVarint64(&value)) return {first ? connx_not_onnx : connx_truncated, start};
        const size_t left = size - static_cast<size_t>(input.CurrentPosition());
        if (value > left) return {connx_truncated, start};
        input.Skip(static_cast<int>(value));
        break;
      }
      case 1:
        if (!input.Skip(8)) return {first ? connx_not_onnx : connx_truncated, start};
        break;
      case 5:
        if (!input.Skip(4)) return {first ? connx_not_onnx : connx_truncated, start};
        break;
      default:
        return {first ? connx_not_onnx : connx_malformed, start};
    }
    first = false;
  }
  return {connx_malformed, 0};
}

}  // namespace

connx_model *connx_model_parse(
    const void *data, size_t size, connx_status *status, size_t *offset) noexcept try {
  *offset = 0;
  if (size > INT_MAX) {
    *status = connx_too_large;
    return nullptr;
  }
  auto model = std::make_unique<connx_model>();
  model->message = google::protobuf::Arena::CreateMessage<onnx::ModelProto>(&model->arena);
  const auto *start = static_cast<const uint8_t *>(data);
  google::protobuf::io::CodedInputStream input(start, static_cast<int>(size));
  input.SetTotalBytesLimit(INT_MAX);
  input.SetRecursionLimit(CONNX_RECURSION_LIMIT);
  if (model->message->ParseFromCodedStream(&input) && input.ConsumedEntireMessage()) {
    *status = connx_ok;
    return model.release();
  }
  const Diagnosis diagnosis = diagnose(start, size);
  *status = diagnosis.status;
  *offset = diagnosis.offset;
  if (diagnosis.status == connx_malformed) {
    // Deep nesting is the one refusal that a higher limit tells apart.
    google::protobuf::io::CodedInputStream again(start, static_cast<int>(size));
    again.SetTotalBytesLimit(INT_MAX);
    again.SetRecursionLimit(CONNX_RECURSION_LIMIT * 8);
    google::protobuf::Arena scratch;
    auto *message = google::protobuf::Arena::CreateMessage<onnx::ModelProto>(&scratch);
    if (message->ParseFromCodedStream(&again)) *status = connx_too_deep;
  }
  return nullptr;
} catch (const std::bad_alloc &) {
  *status = connx_out_of_memory;
  return nullptr;
} catch (...) {
  *status = connx_malformed;
  return nullptr;
}

void connx_model_free(connx_model *model) noexcept { delete model; }
