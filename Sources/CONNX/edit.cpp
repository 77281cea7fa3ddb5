#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <climits>
#include <memory>
#include <vector>

#include "edit.hpp"
#include "shallow.hpp"

using namespace connx;
using google::protobuf::RepeatedPtrField;

namespace {

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

int32_t connx_edit_name(connx_edit *edit, connx_list list, int32_t node, connx_bytes name) noexcept {
  return guarded([&] {
    onnx::NodeProto *owner = own(edit, nodes_of(list), node);
    if (!owner) return false;
    owner->set_name(text(name));
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
