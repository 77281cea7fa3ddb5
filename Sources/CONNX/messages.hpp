// What both halves of the shim share.
#pragma once
#include <google/protobuf/arena.h>
#include <google/protobuf/unknown_field_set.h>
#include <onnx/onnx_pb.h>

#include <string>

#include "CONNX.h"

struct connx_model {
  google::protobuf::Arena arena;
  onnx::ModelProto *message = nullptr;
};

namespace connx {

inline connx_bytes bytes(const std::string &text) { return {text.data(), text.size()}; }
inline connx_bytes no_bytes() { return {nullptr, 0}; }

template <typename Proto, typename Opaque>
inline const Proto &as(const Opaque *pointer) {
  return *reinterpret_cast<const Proto *>(pointer);
}

template <typename Opaque, typename Proto>
inline const Opaque *opaque(const Proto &message) {
  return reinterpret_cast<const Opaque *>(&message);
}

// Fields that are newer than libonnx 1.12.
enum : int {
  node_overload = 8,
  node_metadata = 9,
  function_attribute_default = 11,
  function_overload = 13,
};

/// The occurrences of a length-delimited field that the generated class does not know.
int unknown_count(const google::protobuf::UnknownFieldSet &fields, int number);
connx_bytes unknown_bytes(const google::protobuf::UnknownFieldSet &fields, int number, int index);
/// A StringStringEntryProto, read in place.
connx_entry entry(connx_bytes message);

}  // namespace connx
