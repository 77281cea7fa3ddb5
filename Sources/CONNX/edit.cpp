#include <memory>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <climits>
#include <unordered_map>
#include <vector>

#include "messages.hpp"

using google::protobuf::Arena;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::RepeatedPtrField;

struct connx_edit {
  Arena arena;
  onnx::ModelProto *root = nullptr;
  /// Messages of ours that stand in the place of the model's.
  std::unordered_map<const Message *, Message *> owned;
};

namespace {

std::string text(connx_bytes bytes) { return bytes.size ? std::string(bytes.data, bytes.size) : std::string(); }

void copy_scalars(const Reflection *reflection, const FieldDescriptor *field, const Message &from, Message *to) {
  const int count = reflection->FieldSize(from, field);
  for (int i = 0; i < count; ++i) {
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        reflection->AddInt32(to, field, reflection->GetRepeatedInt32(from, field, i));
        break;
      case FieldDescriptor::CPPTYPE_INT64:
        reflection->AddInt64(to, field, reflection->GetRepeatedInt64(from, field, i));
        break;
      case FieldDescriptor::CPPTYPE_UINT32:
        reflection->AddUInt32(to, field, reflection->GetRepeatedUInt32(from, field, i));
        break;
      case FieldDescriptor::CPPTYPE_UINT64:
        reflection->AddUInt64(to, field, reflection->GetRepeatedUInt64(from, field, i));
        break;
      case FieldDescriptor::CPPTYPE_FLOAT:
        reflection->AddFloat(to, field, reflection->GetRepeatedFloat(from, field, i));
        break;
      case FieldDescriptor::CPPTYPE_DOUBLE:
        reflection->AddDouble(to, field, reflection->GetRepeatedDouble(from, field, i));
        break;
      case FieldDescriptor::CPPTYPE_BOOL:
        reflection->AddBool(to, field, reflection->GetRepeatedBool(from, field, i));
        break;
      case FieldDescriptor::CPPTYPE_ENUM:
        reflection->AddEnumValue(to, field, reflection->GetRepeatedEnumValue(from, field, i));
        break;
      case FieldDescriptor::CPPTYPE_STRING:
        reflection->AddString(to, field, reflection->GetRepeatedString(from, field, i));
        break;
      case FieldDescriptor::CPPTYPE_MESSAGE:
        break;
    }
  }
}

void copy_scalar(const Reflection *reflection, const FieldDescriptor *field, const Message &from, Message *to) {
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return reflection->SetInt32(to, field, reflection->GetInt32(from, field));
    case FieldDescriptor::CPPTYPE_INT64:
      return reflection->SetInt64(to, field, reflection->GetInt64(from, field));
    case FieldDescriptor::CPPTYPE_UINT32:
      return reflection->SetUInt32(to, field, reflection->GetUInt32(from, field));
    case FieldDescriptor::CPPTYPE_UINT64:
      return reflection->SetUInt64(to, field, reflection->GetUInt64(from, field));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return reflection->SetFloat(to, field, reflection->GetFloat(from, field));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return reflection->SetDouble(to, field, reflection->GetDouble(from, field));
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection->SetBool(to, field, reflection->GetBool(from, field));
    case FieldDescriptor::CPPTYPE_ENUM:
      return reflection->SetEnumValue(to, field, reflection->GetEnumValue(from, field));
    case FieldDescriptor::CPPTYPE_STRING:
      return reflection->SetString(to, field, reflection->GetString(from, field));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return;
  }
}

/// A copy that shares its submessages with the original. An arena frees neither, so that each stays its owner's.
template <typename T>
T *shallow(const T &from, Arena *arena) {
  T *to = Arena::CreateMessage<T>(arena);
  const Reflection *reflection = from.GetReflection();
  std::vector<const FieldDescriptor *> fields;
  reflection->ListFields(from, &fields);
  for (const FieldDescriptor *field : fields) {
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
      if (field->is_repeated()) {
        copy_scalars(reflection, field, from, to);
      } else {
        copy_scalar(reflection, field, from, to);
      }
    } else if (field->is_repeated()) {
      const int count = reflection->FieldSize(from, field);
      for (int i = 0; i < count; ++i) {
        reflection->UnsafeArenaAddAllocatedMessage(
            to, field, const_cast<Message *>(&reflection->GetRepeatedMessage(from, field, i)));
      }
    } else {
      reflection->UnsafeArenaSetAllocatedMessage(
          to, const_cast<Message *>(&reflection->GetMessage(from, field)), field);
    }
  }
  const auto &unknown = reflection->GetUnknownFields(from);
  if (!unknown.empty()) reflection->MutableUnknownFields(to)->MergeFrom(unknown);
  return to;
}

/// The element of a list as a message of ours, put in the model's place.
template <typename T>
T *own(connx_edit *edit, RepeatedPtrField<T> *list, int index) {
  if (index < 0 || index >= list->size()) return nullptr;
  T *current = list->Mutable(index);
  if (edit->owned.count(current)) return current;
  T *copy = shallow(*current, &edit->arena);
  edit->owned[copy] = copy;
  list->UnsafeArenaAddAllocated(copy);
  list->SwapElements(index, list->size() - 1);
  list->UnsafeArenaReleaseLast();
  return copy;
}

RepeatedPtrField<onnx::NodeProto> *nodes_of(connx_list list) {
  return list.kind == connx_list_graph ? static_cast<onnx::GraphProto *>(list.message)->mutable_node()
                                       : static_cast<onnx::FunctionProto *>(list.message)->mutable_node();
}

template <typename T, typename Opaque>
void replace(RepeatedPtrField<T> *list, const Opaque *const *items, int count) {
  list->UnsafeArenaExtractSubrange(0, list->size(), nullptr);
  list->Reserve(count);
  for (int i = 0; i < count; ++i) {
    list->UnsafeArenaAddAllocated(const_cast<T *>(reinterpret_cast<const T *>(items[i])));
  }
}

/// Runs what may run out of memory; 0 where it worked.
template <typename Body>
int32_t guarded(Body body) noexcept {
  try {
    return body() ? 0 : 1;
  } catch (...) {
    return 1;
  }
}

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

connx_edit *connx_edit_new(const connx_model *model) noexcept try {
  auto edit = std::make_unique<connx_edit>();
  edit->root = shallow(*model->message, &edit->arena);
  return edit.release();
} catch (...) {
  return nullptr;
}

void connx_edit_free(connx_edit *edit) noexcept { delete edit; }

connx_list connx_edit_main(connx_edit *edit) noexcept try {
  if (!edit->root->has_graph()) return {connx_list_graph, nullptr};
  onnx::GraphProto *current = edit->root->mutable_graph();
  if (edit->owned.count(current)) return {connx_list_graph, current};
  onnx::GraphProto *copy = shallow(*current, &edit->arena);
  edit->owned[copy] = copy;
  edit->root->unsafe_arena_release_graph();
  edit->root->unsafe_arena_set_allocated_graph(copy);
  return {connx_list_graph, copy};
} catch (...) {
  return {connx_list_graph, nullptr};
}

connx_list connx_edit_function(connx_edit *edit, int32_t index) noexcept try {
  return {connx_list_function, own(edit, edit->root->mutable_functions(), index)};
} catch (...) {
  return {connx_list_function, nullptr};
}

connx_list connx_edit_subgraph(
    connx_edit *edit, connx_list list, int32_t node, connx_bytes attribute, int32_t ordinal) noexcept try {
  const connx_list none{connx_list_graph, nullptr};
  onnx::NodeProto *holder = own(edit, nodes_of(list), node);
  if (!holder) return none;
  const std::string name = text(attribute);
  for (int i = 0; i < holder->attribute_size(); ++i) {
    if (holder->attribute(i).name() != name) continue;
    onnx::AttributeProto *found = own(edit, holder->mutable_attribute(), i);
    if (found->graphs_size()) return {connx_list_graph, own(edit, found->mutable_graphs(), ordinal)};
    if (!found->has_g()) return none;
    onnx::GraphProto *current = found->mutable_g();
    if (edit->owned.count(current)) return {connx_list_graph, current};
    onnx::GraphProto *copy = shallow(*current, &edit->arena);
    edit->owned[copy] = copy;
    found->unsafe_arena_release_g();
    found->unsafe_arena_set_allocated_g(copy);
    return {connx_list_graph, copy};
  }
  return none;
} catch (...) {
  return {connx_list_graph, nullptr};
}

int32_t connx_list_node_count(connx_list list) noexcept { return nodes_of(list)->size(); }
const connx_node *connx_list_node(connx_list list, int32_t index) noexcept {
  return connx::opaque<connx_node>(nodes_of(list)->Get(index));
}

int32_t connx_edit_rename(
    connx_edit *edit, connx_list list, int32_t node, int32_t is_output, int32_t index, connx_bytes name) noexcept {
  return guarded([&] {
    onnx::NodeProto *owner = own(edit, nodes_of(list), node);
    if (!owner) return false;
    auto *names = is_output ? owner->mutable_output() : owner->mutable_input();
    if (index < 0 || index >= names->size()) return false;
    *names->Mutable(index) = text(name);
    return true;
  });
}

int32_t connx_edit_set_nodes(connx_list list, const connx_node *const *nodes, int32_t count) noexcept {
  return guarded([&] {
    replace(nodes_of(list), nodes, count);
    return true;
  });
}

int32_t connx_edit_set_initializers(connx_list graph, const connx_tensor *const *tensors, int32_t count) noexcept {
  return guarded([&] {
    if (graph.kind != connx_list_graph) return false;
    replace(static_cast<onnx::GraphProto *>(graph.message)->mutable_initializer(), tensors, count);
    return true;
  });
}

int32_t connx_edit_set_values(
    connx_list graph, connx_values which, const connx_value_info *const *values, int32_t count) noexcept {
  return guarded([&] {
    if (graph.kind != connx_list_graph) return false;
    auto *message = static_cast<onnx::GraphProto *>(graph.message);
    replace(
        which == connx_inputs    ? message->mutable_input()
        : which == connx_outputs ? message->mutable_output()
                                 : message->mutable_value_info(),
        values, count);
    return true;
  });
}

int32_t connx_edit_set_opset(connx_edit *edit, connx_list function, connx_bytes domain, int64_t version) noexcept {
  return guarded([&] {
    auto *imports = function.message ? static_cast<onnx::FunctionProto *>(function.message)->mutable_opset_import()
                                     : edit->root->mutable_opset_import();
    const std::string name = text(domain);
    for (int i = 0; i < imports->size(); ++i) {
      if (imports->Get(i).domain() != name) continue;
      own(edit, imports, i)->set_version(version);
      return true;
    }
    auto *added = Arena::CreateMessage<onnx::OperatorSetIdProto>(&edit->arena);
    added->set_domain(name);
    added->set_version(version);
    imports->UnsafeArenaAddAllocated(added);
    return true;
  });
}

int32_t connx_edit_remove_metadata(connx_edit *edit, connx_bytes key) noexcept {
  return guarded([&] {
    auto *entries = edit->root->mutable_metadata_props();
    const std::string name = text(key);
    std::vector<const onnx::StringStringEntryProto *> kept;
    for (const auto &entry : *entries) {
      if (entry.key() != name) kept.push_back(&entry);
    }
    replace(entries, kept.data(), static_cast<int>(kept.size()));
    return true;
  });
}

int32_t connx_edit_add_metadata(connx_edit *edit, connx_bytes key, connx_bytes value) noexcept {
  return guarded([&] {
    auto *entry = Arena::CreateMessage<onnx::StringStringEntryProto>(&edit->arena);
    entry->set_key(text(key));
    entry->set_value(text(value));
    edit->root->mutable_metadata_props()->UnsafeArenaAddAllocated(entry);
    return true;
  });
}

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
    auto *shape = reinterpret_cast<onnx::ValueInfoProto *>(info)->mutable_type()->mutable_tensor_type()->mutable_shape();
    if (index < 0 || index >= shape->dim_size()) return false;
    if (kind == 1) shape->mutable_dim(index)->set_dim_value(value);
    if (kind == 2) shape->mutable_dim(index)->set_dim_param(text(name));
    return true;
  });
}

int64_t connx_edit_size(connx_edit *edit) noexcept try {
  const size_t size = edit->root->ByteSizeLong();
  return size > INT_MAX ? -1 : static_cast<int64_t>(size);
} catch (...) {
  return -1;
}

connx_status connx_edit_write(connx_edit *edit, void *buffer, int64_t size) noexcept try {
  if (size < 0 || size > INT_MAX) return connx_too_large;
  google::protobuf::io::ArrayOutputStream stream(buffer, static_cast<int>(size));
  google::protobuf::io::CodedOutputStream output(&stream);
  output.SetSerializationDeterministic(true);
  edit->root->SerializeWithCachedSizes(&output);
  return output.HadError() || output.ByteCount() != size ? connx_malformed : connx_ok;
} catch (const std::bad_alloc &) {
  return connx_out_of_memory;
} catch (...) {
  return connx_malformed;
}
