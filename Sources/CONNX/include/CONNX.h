/// ONNX messages for Swift: libonnx's generated classes behind plain C functions.
///
/// Messages are opaque pointers that live as long as their model (or edit). Reading is free-threaded. No C++ exception
/// leaves these functions: those that can fail return a status or NULL; accessors take indices that the caller has
/// checked against the counts.
#pragma once
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#define CONNX_NOEXCEPT noexcept
#else
#define CONNX_NOEXCEPT
#endif

typedef struct connx_model connx_model;
typedef struct connx_edit connx_edit;
typedef struct connx_graph connx_graph;
typedef struct connx_node connx_node;
typedef struct connx_attribute connx_attribute;
typedef struct connx_tensor connx_tensor;
typedef struct connx_value_info connx_value_info;
typedef struct connx_function connx_function;

/// Bytes that belong to a message; not terminated.
typedef struct {
  const char *_Nullable data;
  size_t size;
} connx_bytes;

typedef struct {
  connx_bytes key, value;
} connx_entry;

typedef enum {
  connx_ok = 0,
  /// The bytes do not begin like an ONNX model.
  connx_not_onnx = 1,
  /// A field claims more bytes than there are.
  connx_truncated = 2,
  /// Messages stand inside messages more deeply than the limit.
  connx_too_deep = 3,
  /// Anything else that protobuf refuses.
  connx_malformed = 4,
  connx_out_of_memory = 5,
  /// The result would be larger than protobuf's 2 GiB.
  connx_too_large = 6,
} connx_status;

/// How many messages may stand inside each other.
#define CONNX_RECURSION_LIMIT 256

// Reading

/// The bytes may go after the call. On failure `offset` is about where in the bytes the trouble is.
connx_model *_Nullable connx_model_parse(
    const void *_Nonnull data, size_t size, connx_status *_Nonnull status, size_t *_Nonnull offset) CONNX_NOEXCEPT;
void connx_model_free(connx_model *_Nonnull model) CONNX_NOEXCEPT;

typedef struct {
  int64_t ir_version;
  int64_t model_version;
  connx_bytes producer_name, producer_version, domain;
  const connx_graph *_Nullable graph;
  int32_t opset_count, metadata_count, function_count;
} connx_model_fields;
connx_model_fields connx_model_read(const connx_model *_Nonnull model) CONNX_NOEXCEPT;
connx_bytes connx_model_opset(const connx_model *_Nonnull model, int32_t index, int64_t *_Nonnull version) CONNX_NOEXCEPT;
connx_entry connx_model_metadata(const connx_model *_Nonnull model, int32_t index) CONNX_NOEXCEPT;
const connx_function *_Nonnull connx_model_function(const connx_model *_Nonnull model, int32_t index) CONNX_NOEXCEPT;

typedef struct {
  connx_bytes name;
  int32_t node_count, input_count, output_count, value_info_count, initializer_count, sparse_count;
} connx_graph_fields;
connx_graph_fields connx_graph_read(const connx_graph *_Nonnull graph) CONNX_NOEXCEPT;
const connx_node *_Nonnull connx_graph_node(const connx_graph *_Nonnull graph, int32_t index) CONNX_NOEXCEPT;
const connx_value_info *_Nonnull connx_graph_input(const connx_graph *_Nonnull graph, int32_t index) CONNX_NOEXCEPT;
const connx_value_info *_Nonnull connx_graph_output(const connx_graph *_Nonnull graph, int32_t index) CONNX_NOEXCEPT;
const connx_value_info *_Nonnull connx_graph_value_info(const connx_graph *_Nonnull graph, int32_t index) CONNX_NOEXCEPT;
const connx_tensor *_Nonnull connx_graph_initializer(const connx_graph *_Nonnull graph, int32_t index) CONNX_NOEXCEPT;
/// The values or the indices of a sparse initializer.
const connx_tensor *_Nonnull connx_graph_sparse(
    const connx_graph *_Nonnull graph, int32_t index, int32_t indices) CONNX_NOEXCEPT;

typedef struct {
  connx_bytes domain, name, overload;
  int32_t attribute_count, attribute_default_count, input_count, output_count, node_count, opset_count;
} connx_function_fields;
connx_function_fields connx_function_read(const connx_function *_Nonnull function) CONNX_NOEXCEPT;
connx_bytes connx_function_attribute(const connx_function *_Nonnull function, int32_t index) CONNX_NOEXCEPT;
/// Attributes with a default value (IR 9); parsed when asked for, kept by the model. NULL where it cannot be parsed.
const connx_attribute *_Nullable connx_function_attribute_default(
    const connx_model *_Nonnull model, const connx_function *_Nonnull function, int32_t index) CONNX_NOEXCEPT;
connx_bytes connx_function_input(const connx_function *_Nonnull function, int32_t index) CONNX_NOEXCEPT;
connx_bytes connx_function_output(const connx_function *_Nonnull function, int32_t index) CONNX_NOEXCEPT;
const connx_node *_Nonnull connx_function_node(const connx_function *_Nonnull function, int32_t index) CONNX_NOEXCEPT;
connx_bytes connx_function_opset(
    const connx_function *_Nonnull function, int32_t index, int64_t *_Nonnull version) CONNX_NOEXCEPT;

typedef struct {
  connx_bytes name, op_type, domain, overload;
  int32_t input_count, output_count, attribute_count, metadata_count;
} connx_node_fields;
connx_node_fields connx_node_read(const connx_node *_Nonnull node) CONNX_NOEXCEPT;
connx_bytes connx_node_input(const connx_node *_Nonnull node, int32_t index) CONNX_NOEXCEPT;
connx_bytes connx_node_output(const connx_node *_Nonnull node, int32_t index) CONNX_NOEXCEPT;
const connx_attribute *_Nonnull connx_node_attribute(const connx_node *_Nonnull node, int32_t index) CONNX_NOEXCEPT;
/// The index-th `metadata_props` entry (field 9, IR 10), which this libonnx keeps as an unknown field.
connx_entry connx_node_metadata(const connx_node *_Nonnull node, int32_t index) CONNX_NOEXCEPT;

typedef struct {
  connx_bytes name, reference, string;
  /// AttributeProto.AttributeType; where the file leaves it out, that of the field which is set.
  int32_t type;
  float f;
  int64_t i;
  int32_t float_count, int_count, string_count, tensor_count, graph_count, sparse_count;
  const int64_t *_Nullable ints;
  const float *_Nullable floats;
  const connx_tensor *_Nullable tensor;
  const connx_graph *_Nullable graph;
} connx_attribute_fields;
connx_attribute_fields connx_attribute_read(const connx_attribute *_Nonnull attribute) CONNX_NOEXCEPT;
connx_bytes connx_attribute_string(const connx_attribute *_Nonnull attribute, int32_t index) CONNX_NOEXCEPT;
const connx_tensor *_Nonnull connx_attribute_tensor(
    const connx_attribute *_Nonnull attribute, int32_t index) CONNX_NOEXCEPT;
const connx_graph *_Nonnull connx_attribute_graph(
    const connx_attribute *_Nonnull attribute, int32_t index) CONNX_NOEXCEPT;
/// The values or the indices of a sparse tensor; the single one comes first.
const connx_tensor *_Nonnull connx_attribute_sparse(
    const connx_attribute *_Nonnull attribute, int32_t index, int32_t indices) CONNX_NOEXCEPT;

typedef struct {
  connx_bytes name;
  int32_t element_type, dim_count;
  const int64_t *_Nullable dims;
  connx_bytes raw;
  int32_t float_count, int32_count, int64_count, double_count, uint64_count, string_count;
  const float *_Nullable floats;
  const int32_t *_Nullable int32s;
  const int64_t *_Nullable int64s;
  const double *_Nullable doubles;
  const uint64_t *_Nullable uint64s;
  /// 1 where the data stands in another file.
  int32_t is_external, external_count;
} connx_tensor_fields;
connx_tensor_fields connx_tensor_read(const connx_tensor *_Nonnull tensor) CONNX_NOEXCEPT;
connx_entry connx_tensor_external(const connx_tensor *_Nonnull tensor, int32_t index) CONNX_NOEXCEPT;

typedef struct {
  connx_bytes name;
  /// 0 where it is no tensor or not given.
  int32_t element_type;
  /// −1 without a shape.
  int32_t dim_count;
} connx_value_info_fields;
connx_value_info_fields connx_value_info_read(const connx_value_info *_Nonnull info) CONNX_NOEXCEPT;
/// The kind of a dimension: 0 unknown, 1 a number, 2 a name.
int32_t connx_value_info_dim(
    const connx_value_info *_Nonnull info, int32_t index, int64_t *_Nonnull value,
    connx_bytes *_Nonnull name) CONNX_NOEXCEPT;

// External data

/// Opens a file for reading beneath a folder: no component may leave it, links included.
/// The descriptor, or −1 with errno (EXDEV: it leaves the folder).
int32_t connx_open_beneath(int32_t folder, const char *_Nonnull location) CONNX_NOEXCEPT;

#ifdef __cplusplus
}
#endif
