#include "edit.hpp"

using namespace connx;
using google::protobuf::Arena;

namespace {

template <typename Body>
int32_t add_attribute(
    connx_node *node, connx_bytes name, onnx::AttributeProto::AttributeType type, Body body) noexcept {
  return guarded([&] {
    auto *attribute = reinterpret_cast<onnx::NodeProto *>(node)->add_attribute();
    attribute->set_name(text(name));
    attribute->set_type(type);
    body(attribute);
    return true;
  });
}

}  // namespace

connx_node *connx_new_node(connx_edit *edit, connx_bytes domain, connx_bytes op_type, connx_bytes name) noexcept try {
  auto *node = Arena::CreateMessage<onnx::NodeProto>(&edit->arena);
  if (domain.size) node->set_domain(text(domain));
  node->set_op_type(text(op_type));
  if (name.size) node->set_name(text(name));
  return reinterpret_cast<connx_node *>(node);
} catch (...) {
  return nullptr;
}

int32_t connx_node_add_input(connx_node *node, connx_bytes name) noexcept {
  return guarded([&] { return reinterpret_cast<onnx::NodeProto *>(node)->add_input(text(name)), true; });
}
int32_t connx_node_add_output(connx_node *node, connx_bytes name) noexcept {
  return guarded([&] { return reinterpret_cast<onnx::NodeProto *>(node)->add_output(text(name)), true; });
}
int32_t connx_node_add_metadata(connx_node *node, connx_bytes key, connx_bytes value) noexcept {
  return guarded([&] {
    onnx::StringStringEntryProto entry;
    entry.set_key(text(key));
    entry.set_value(text(value));
    reinterpret_cast<onnx::NodeProto *>(node)->mutable_unknown_fields()->AddLengthDelimited(
        connx::node_metadata, entry.SerializeAsString());
    return true;
  });
}
int32_t connx_node_add_int(connx_node *node, connx_bytes name, int64_t value) noexcept {
  return add_attribute(node, name, onnx::AttributeProto::INT, [&](auto *a) { a->set_i(value); });
}
int32_t connx_node_add_float(connx_node *node, connx_bytes name, float value) noexcept {
  return add_attribute(node, name, onnx::AttributeProto::FLOAT, [&](auto *a) { a->set_f(value); });
}
int32_t connx_node_add_string(connx_node *node, connx_bytes name, connx_bytes value) noexcept {
  return add_attribute(node, name, onnx::AttributeProto::STRING, [&](auto *a) { a->set_s(text(value)); });
}
int32_t connx_node_add_ints(connx_node *node, connx_bytes name, const int64_t *values, int32_t count) noexcept {
  return add_attribute(node, name, onnx::AttributeProto::INTS, [&](auto *a) {
    for (int i = 0; i < count; ++i) a->add_ints(values[i]);
  });
}
int32_t connx_node_add_floats(connx_node *node, connx_bytes name, const float *values, int32_t count) noexcept {
  return add_attribute(node, name, onnx::AttributeProto::FLOATS, [&](auto *a) {
    for (int i = 0; i < count; ++i) a->add_floats(values[i]);
  });
}
int32_t connx_node_add_strings(connx_node *node, connx_bytes name, const connx_bytes *values, int32_t count) noexcept {
  return add_attribute(node, name, onnx::AttributeProto::STRINGS, [&](auto *a) {
    for (int i = 0; i < count; ++i) a->add_strings(text(values[i]));
  });
}
int32_t connx_node_add_tensor(connx_node *node, connx_bytes name, const connx_tensor *tensor) noexcept {
  return add_attribute(node, name, onnx::AttributeProto::TENSOR, [&](auto *a) {
    a->mutable_t()->CopyFrom(connx::as<onnx::TensorProto>(tensor));
  });
}
int32_t connx_node_add_reference(connx_node *node, connx_bytes name, connx_bytes reference, int32_t type) noexcept {
  if (!onnx::AttributeProto::AttributeType_IsValid(type)) return 1;
  return add_attribute(node, name, static_cast<onnx::AttributeProto::AttributeType>(type), [&](auto *a) {
    a->set_ref_attr_name(text(reference));
  });
}

connx_tensor *connx_new_tensor(
    connx_edit *edit, connx_bytes name, int32_t element_type, const int64_t *dims, int32_t dim_count,
    connx_bytes raw) noexcept try {
  auto *tensor = Arena::CreateMessage<onnx::TensorProto>(&edit->arena);
  for (int i = 0; i < dim_count; ++i) tensor->add_dims(dims[i]);
  tensor->set_data_type(element_type);
  if (name.size) tensor->set_name(text(name));
  tensor->set_raw_data(raw.data ? raw.data : "", raw.size);
  return reinterpret_cast<connx_tensor *>(tensor);
} catch (...) {
  return nullptr;
}

connx_tensor *connx_copy_tensor(connx_edit *edit, const connx_tensor *tensor, connx_bytes name) noexcept try {
  auto *copy = Arena::CreateMessage<onnx::TensorProto>(&edit->arena);
  copy->CopyFrom(connx::as<onnx::TensorProto>(tensor));
  copy->set_name(text(name));
  return reinterpret_cast<connx_tensor *>(copy);
} catch (...) {
  return nullptr;
}

connx_value_info *connx_new_value_info(
    connx_edit *edit, connx_bytes name, int32_t element_type, int32_t dim_count) noexcept try {
  auto *info = Arena::CreateMessage<onnx::ValueInfoProto>(&edit->arena);
  info->set_name(text(name));
  auto *type = info->mutable_type()->mutable_tensor_type();
  type->set_elem_type(element_type);
  if (dim_count >= 0) {
    auto *shape = type->mutable_shape();
    for (int i = 0; i < dim_count; ++i) shape->add_dim();
  }
  return reinterpret_cast<connx_value_info *>(info);
} catch (...) {
  return nullptr;
}

int32_t connx_value_info_set_dim(
    connx_value_info *info, int32_t index, int32_t kind, int64_t value, connx_bytes name) noexcept {
  return guarded([&] {
    auto *type = reinterpret_cast<onnx::ValueInfoProto *>(info)->mutable_type();
    auto *shape = type->mutable_tensor_type()->mutable_shape();
    if (index < 0 || index >= shape->dim_size()) return false;
    if (kind == 1) shape->mutable_dim(index)->set_dim_value(value);
    if (kind == 2) shape->mutable_dim(index)->set_dim_param(text(name));
    return true;
  });
}
