// What the functions that edit share.
#pragma once
#include <string>
#include <unordered_map>

#include "messages.hpp"

struct connx_edit {
  google::protobuf::Arena arena;
  onnx::ModelProto *root = nullptr;
  /// Messages of ours that stand in the place of the model's.
  std::unordered_map<const google::protobuf::Message *, google::protobuf::Message *> owned;
};

namespace connx {

inline std::string text(connx_bytes bytes) { return bytes.size ? std::string(bytes.data, bytes.size) : std::string(); }

/// Runs what may run out of memory; 0 where it worked.
template <typename Body>
int32_t guarded(Body body) noexcept {
  try {
    return body() ? 0 : 1;
  } catch (...) {
    return 1;
  }
}

}  // namespace connx
