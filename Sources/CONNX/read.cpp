#include "messages.hpp"

using namespace connx;

connx_model_fields connx_model_read(const connx_model *model) noexcept {
  const onnx::ModelProto &m = *model->message;
  return {
      m.ir_version(), m.model_version(), bytes(m.producer_name()), bytes(m.producer_version()), bytes(m.domain()),
      m.has_graph() ? opaque<connx_graph>(m.graph()) : nullptr, m.opset_import_size(), m.metadata_props_size(),
      m.functions_size()};
}

connx_bytes connx_model_opset(const connx_model *model, int32_t index, int64_t *version) noexcept {
  const auto &opset = model->message->opset_import(index);
  *version = opset.version();
  return bytes(opset.domain());
}

connx_entry connx_model_metadata(const connx_model *model, int32_t index) noexcept {
  const auto &entry = model->message->metadata_props(index);
  return {bytes(entry.key()), bytes(entry.value())};
}

const connx_function *connx_model_function(const connx_model *model, int32_t index) noexcept {
  return opaque<connx_function>(model->message->functions(index));
}

connx_graph_fields connx_graph_read(const connx_graph *graph) noexcept {
  const auto &g = as<onnx::GraphProto>(graph);
  return {bytes(g.name()), g.node_size(), g.input_size(), g.output_size(), g.value_info_size(),
          g.initializer_size(), g.sparse_initializer_size()};
}

const connx_node *connx_graph_node(const connx_graph *graph, int32_t index) noexcept {
  return opaque<connx_node>(as<onnx::GraphProto>(graph).node(index));
}
const connx_value_info *connx_graph_input(const connx_graph *graph, int32_t index) noexcept {
  return opaque<connx_value_info>(as<onnx::GraphProto>(graph).input(index));
}
const connx_value_info *connx_graph_output(const connx_graph *graph, int32_t index) noexcept {
  return opaque<connx_value_info>(as<onnx::GraphProto>(graph).output(index));
}
const connx_value_info *connx_graph_value_info(const connx_graph *graph, int32_t index) noexcept {
  return opaque<connx_value_info>(as<onnx::GraphProto>(graph).value_info(index));
}
const connx_tensor *connx_graph_initializer(const connx_graph *graph, int32_t index) noexcept {
  return opaque<connx_tensor>(as<onnx::GraphProto>(graph).initializer(index));
}
const connx_tensor *connx_graph_sparse(const connx_graph *graph, int32_t index, int32_t indices) noexcept {
  const auto &sparse = as<onnx::GraphProto>(graph).sparse_initializer(index);
  return opaque<connx_tensor>(indices ? sparse.indices() : sparse.values());
}

connx_function_fields connx_function_read(const connx_function *function) noexcept {
  const auto &f = as<onnx::FunctionProto>(function);
  const auto &unknown = f.unknown_fields();
  return {bytes(f.domain()), bytes(f.name()), unknown_bytes(unknown, function_overload, 0), f.attribute_size(),
          unknown_count(unknown, function_attribute_default), f.input_size(), f.output_size(), f.node_size(),
          f.opset_import_size()};
}
connx_bytes connx_function_attribute(const connx_function *function, int32_t index) noexcept {
  return bytes(as<onnx::FunctionProto>(function).attribute(index));
}
const connx_attribute *connx_function_attribute_default(
    const connx_model *model, const connx_function *function, int32_t index) noexcept try {
  const auto &unknown = as<onnx::FunctionProto>(function).unknown_fields();
  const connx_bytes found = unknown_bytes(unknown, function_attribute_default, index);
  // Allocating on an arena is thread-safe and leaves the messages that are there alone.
  auto *arena = &const_cast<connx_model *>(model)->arena;
  auto *attribute = google::protobuf::Arena::CreateMessage<onnx::AttributeProto>(arena);
  if (!attribute->ParseFromArray(found.data, static_cast<int>(found.size))) return nullptr;
  return opaque<connx_attribute>(*attribute);
} catch (...) {
  return nullptr;
}
connx_bytes connx_function_input(const connx_function *function, int32_t index) noexcept {
  return bytes(as<onnx::FunctionProto>(function).input(index));
}
connx_bytes connx_function_output(const connx_function *function, int32_t index) noexcept {
  return bytes(as<onnx::FunctionProto>(function).output(index));
}
const connx_node *connx_function_node(const connx_function *function, int32_t index) noexcept {
  return opaque<connx_node>(as<onnx::FunctionProto>(function).node(index));
}
connx_bytes connx_function_opset(const connx_function *function, int32_t index, int64_t *version) noexcept {
  const auto &opset = as<onnx::FunctionProto>(function).opset_import(index);
  *version = opset.version();
  return bytes(opset.domain());
}

connx_node_fields connx_node_read(const connx_node *node) noexcept {
  const auto &n = as<onnx::NodeProto>(node);
  const auto &unknown = n.unknown_fields();
  return {bytes(n.name()), bytes(n.op_type()), bytes(n.domain()), unknown_bytes(unknown, node_overload, 0),
          n.input_size(), n.output_size(), n.attribute_size(), unknown_count(unknown, node_metadata)};
}
connx_bytes connx_node_input(const connx_node *node, int32_t index) noexcept {
  return bytes(as<onnx::NodeProto>(node).input(index));
}
connx_bytes connx_node_output(const connx_node *node, int32_t index) noexcept {
  return bytes(as<onnx::NodeProto>(node).output(index));
}
const connx_attribute *connx_node_attribute(const connx_node *node, int32_t index) noexcept {
  return opaque<connx_attribute>(as<onnx::NodeProto>(node).attribute(index));
}
connx_entry connx_node_metadata(const connx_node *node, int32_t index) noexcept {
  return entry(unknown_bytes(as<onnx::NodeProto>(node).unknown_fields(), node_metadata, index));
}

static int32_t attribute_type(const onnx::AttributeProto &a) {
  if (a.type() != onnx::AttributeProto::UNDEFINED) return a.type();
  using A = onnx::AttributeProto;
  if (a.has_f()) return A::FLOAT;
  if (a.has_i()) return A::INT;
  if (a.has_s()) return A::STRING;
  if (a.has_t()) return A::TENSOR;
  if (a.has_g()) return A::GRAPH;
  if (a.floats_size()) return A::FLOATS;
  if (a.ints_size()) return A::INTS;
  if (a.strings_size()) return A::STRINGS;
  if (a.tensors_size()) return A::TENSORS;
  if (a.graphs_size()) return A::GRAPHS;
  return A::UNDEFINED;
}

connx_attribute_fields connx_attribute_read(const connx_attribute *attribute) noexcept {
  const auto &a = as<onnx::AttributeProto>(attribute);
  return {bytes(a.name()), bytes(a.ref_attr_name()), bytes(a.s()), attribute_type(a), a.f(), a.i(),
          a.floats_size(), a.ints_size(), a.strings_size(), a.tensors_size(), a.graphs_size(),
          a.sparse_tensors_size() + (a.has_sparse_tensor() ? 1 : 0), a.ints().data(), a.floats().data(),
          a.has_t() ? opaque<connx_tensor>(a.t()) : nullptr, a.has_g() ? opaque<connx_graph>(a.g()) : nullptr};
}
connx_bytes connx_attribute_string(const connx_attribute *attribute, int32_t index) noexcept {
  return bytes(as<onnx::AttributeProto>(attribute).strings(index));
}
const connx_tensor *connx_attribute_tensor(const connx_attribute *attribute, int32_t index) noexcept {
  return opaque<connx_tensor>(as<onnx::AttributeProto>(attribute).tensors(index));
}
const connx_graph *connx_attribute_graph(const connx_attribute *attribute, int32_t index) noexcept {
  return opaque<connx_graph>(as<onnx::AttributeProto>(attribute).graphs(index));
}
const connx_tensor *connx_attribute_sparse(
    const connx_attribute *attribute, int32_t index, int32_t indices) noexcept {
  const auto &a = as<onnx::AttributeProto>(attribute);
  if (a.has_sparse_tensor()) --index;
  const auto &sparse = index < 0 ? a.sparse_tensor() : a.sparse_tensors(index);
  return opaque<connx_tensor>(indices ? sparse.indices() : sparse.values());
}

connx_tensor_fields connx_tensor_read(const connx_tensor *tensor) noexcept {
  const auto &t = as<onnx::TensorProto>(tensor);
  return {bytes(t.name()), t.data_type(), t.dims_size(), t.dims().data(),
          t.has_raw_data() ? bytes(t.raw_data()) : no_bytes(), t.float_data_size(), t.int32_data_size(),
          t.int64_data_size(), t.double_data_size(), t.uint64_data_size(), t.string_data_size(),
          t.float_data().data(), t.int32_data().data(), t.int64_data().data(), t.double_data().data(),
          t.uint64_data().data(), t.data_location() == onnx::TensorProto::EXTERNAL ? 1 : 0, t.external_data_size()};
}
connx_entry connx_tensor_external(const connx_tensor *tensor, int32_t index) noexcept {
  const auto &entry = as<onnx::TensorProto>(tensor).external_data(index);
  return {bytes(entry.key()), bytes(entry.value())};
}

connx_value_info_fields connx_value_info_read(const connx_value_info *info) noexcept {
  const auto &v = as<onnx::ValueInfoProto>(info);
  if (!v.has_type() || !v.type().has_tensor_type()) return {bytes(v.name()), 0, -1};
  const auto &type = v.type().tensor_type();
  return {bytes(v.name()), type.elem_type(), type.has_shape() ? type.shape().dim_size() : -1};
}
int32_t connx_value_info_dim(
    const connx_value_info *info, int32_t index, int64_t *value, connx_bytes *name) noexcept {
  const auto &dim = as<onnx::ValueInfoProto>(info).type().tensor_type().shape().dim(index);
  if (dim.has_dim_value()) {
    *value = dim.dim_value();
    return 1;
  }
  if (!dim.has_dim_param() || dim.dim_param().empty()) return 0;
  *name = bytes(dim.dim_param());
  return 2;
}
