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
connx_bytes connx_model_opset(
    const connx_model *_Nonnull model, int32_t index, int64_t *_Nonnull version) CONNX_NOEXCEPT;
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
const connx_value_info *_Nonnull connx_graph_value_info(
    const connx_graph *_Nonnull graph, int32_t index) CONNX_NOEXCEPT;
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

// Editing
//
// An edit is a copy of the outermost messages only; what it does not touch it shares with its model, which must outlive
// it and is not changed. One thread edits at a time.

typedef enum { connx_list_graph = 0, connx_list_function = 1 } connx_list_kind;

/// A graph or a function of an edit: something with a list of nodes.
typedef struct {
  connx_list_kind kind;
  void *_Nullable message;
} connx_list;

connx_edit *_Nullable connx_edit_new(const connx_model *_Nonnull model) CONNX_NOEXCEPT;
void connx_edit_free(connx_edit *_Nonnull edit) CONNX_NOEXCEPT;
/// These three give a list that may be changed; its message is NULL where there is none. Subgraphs go by the node's
/// position before the list was set.
connx_list connx_edit_main(connx_edit *_Nonnull edit) CONNX_NOEXCEPT;
connx_list connx_edit_function(connx_edit *_Nonnull edit, int32_t index) CONNX_NOEXCEPT;
connx_list connx_edit_subgraph(
    connx_edit *_Nonnull edit, connx_list list, int32_t node, connx_bytes attribute, int32_t ordinal) CONNX_NOEXCEPT;

int32_t connx_list_node_count(connx_list list) CONNX_NOEXCEPT;
const connx_node *_Nonnull connx_list_node(connx_list list, int32_t index) CONNX_NOEXCEPT;
/// 0 where it worked. Replaces one input or output name of a node, by its position before the list was set.
int32_t connx_edit_rename(
    connx_edit *_Nonnull edit, connx_list list, int32_t node, int32_t is_output, int32_t index,
    connx_bytes name) CONNX_NOEXCEPT;
/// 0 where it worked. Names a node, by its position before the list was set.
int32_t connx_edit_name(connx_edit *_Nonnull edit, connx_list list, int32_t node, connx_bytes name) CONNX_NOEXCEPT;

// The lists below are replaced as a whole, by messages of the model or of the edit. 0 where it worked.
int32_t connx_edit_set_nodes(
    connx_list list, const connx_node *_Nonnull const *_Nullable nodes, int32_t count) CONNX_NOEXCEPT;
int32_t connx_edit_set_initializers(
    connx_list graph, const connx_tensor *_Nonnull const *_Nullable tensors, int32_t count) CONNX_NOEXCEPT;
typedef enum { connx_inputs = 0, connx_outputs = 1, connx_value_infos = 2 } connx_values;
int32_t connx_edit_set_values(
    connx_list graph, connx_values which, const connx_value_info *_Nonnull const *_Nullable values,
    int32_t count) CONNX_NOEXCEPT;
/// Sets a domain's version in the model's imports (list.message NULL) or in a function's.
int32_t connx_edit_set_opset(
    connx_edit *_Nonnull edit, connx_list function, connx_bytes domain, int64_t version) CONNX_NOEXCEPT;
int32_t connx_edit_remove_metadata(connx_edit *_Nonnull edit, connx_bytes key) CONNX_NOEXCEPT;
int32_t connx_edit_add_metadata(connx_edit *_Nonnull edit, connx_bytes key, connx_bytes value) CONNX_NOEXCEPT;

// New messages, which the edit keeps; NULL where memory is short.
connx_node *_Nullable connx_new_node(
    connx_edit *_Nonnull edit, connx_bytes domain, connx_bytes op_type, connx_bytes name) CONNX_NOEXCEPT;
int32_t connx_node_add_input(connx_node *_Nonnull node, connx_bytes name) CONNX_NOEXCEPT;
int32_t connx_node_add_output(connx_node *_Nonnull node, connx_bytes name) CONNX_NOEXCEPT;
int32_t connx_node_add_metadata(connx_node *_Nonnull node, connx_bytes key, connx_bytes value) CONNX_NOEXCEPT;
int32_t connx_node_add_int(connx_node *_Nonnull node, connx_bytes name, int64_t value) CONNX_NOEXCEPT;
int32_t connx_node_add_float(connx_node *_Nonnull node, connx_bytes name, float value) CONNX_NOEXCEPT;
int32_t connx_node_add_string(connx_node *_Nonnull node, connx_bytes name, connx_bytes value) CONNX_NOEXCEPT;
int32_t connx_node_add_ints(
    connx_node *_Nonnull node, connx_bytes name, const int64_t *_Nullable values, int32_t count) CONNX_NOEXCEPT;
int32_t connx_node_add_floats(
    connx_node *_Nonnull node, connx_bytes name, const float *_Nullable values, int32_t count) CONNX_NOEXCEPT;
int32_t connx_node_add_strings(
    connx_node *_Nonnull node, connx_bytes name, const connx_bytes *_Nullable values, int32_t count) CONNX_NOEXCEPT;
int32_t connx_node_add_tensor(
    connx_node *_Nonnull node, connx_bytes name, const connx_tensor *_Nonnull tensor) CONNX_NOEXCEPT;
int32_t connx_node_add_reference(
    connx_node *_Nonnull node, connx_bytes name, connx_bytes reference, int32_t type) CONNX_NOEXCEPT;
connx_tensor *_Nullable connx_new_tensor(
    connx_edit *_Nonnull edit, connx_bytes name, int32_t element_type, const int64_t *_Nullable dims,
    int32_t dim_count, connx_bytes raw) CONNX_NOEXCEPT;
/// A copy under another name.
connx_tensor *_Nullable connx_copy_tensor(
    connx_edit *_Nonnull edit, const connx_tensor *_Nonnull tensor, connx_bytes name) CONNX_NOEXCEPT;
/// A tensor value; `dim_count` −1: no shape.
connx_value_info *_Nullable connx_new_value_info(
    connx_edit *_Nonnull edit, connx_bytes name, int32_t element_type, int32_t dim_count) CONNX_NOEXCEPT;
/// Kinds as `connx_value_info_dim` gives them.
int32_t connx_value_info_set_dim(
    connx_value_info *_Nonnull info, int32_t index, int32_t kind, int64_t value, connx_bytes name) CONNX_NOEXCEPT;

/// Bytes of the edited model; −1 beyond 2 GiB.
int64_t connx_edit_size(connx_edit *_Nonnull edit) CONNX_NOEXCEPT;
/// Writes as many bytes as `connx_edit_size` last said; the order of fields is the specification's, unknown ones last.
connx_status connx_edit_write(connx_edit *_Nonnull edit, void *_Nonnull buffer, int64_t size) CONNX_NOEXCEPT;
// External data

/// Opens a file for reading beneath a folder: no component may leave it, links included.
/// The descriptor, or −1 with errno (EXDEV: it leaves the folder).
int32_t connx_open_beneath(int32_t folder, const char *_Nonnull location) CONNX_NOEXCEPT;
/// The same for a file that a link leads to, where it stands beneath another folder.
int32_t connx_open_resolved(int32_t folder, const char *_Nonnull location, int32_t allowed) CONNX_NOEXCEPT;

// zlib's format

size_t connx_deflate_bound(size_t size) CONNX_NOEXCEPT;
/// Bytes written; 0 where it failed.
size_t connx_deflate(
    const void *_Nullable data, size_t size, void *_Nonnull buffer, size_t capacity) CONNX_NOEXCEPT;
/// 0 where it gave exactly the expected number of bytes.
int32_t connx_inflate(
    const void *_Nullable data, size_t size, void *_Nonnull buffer, size_t expected) CONNX_NOEXCEPT;

// SHA-256

/// Takes whole blocks of 64 bytes into the eight words of state, given the 64 round constants. 1 where this CPU has no
/// instructions for it; nothing was done then.
int32_t connx_sha256_blocks(
    uint32_t *_Nonnull state, const uint32_t *_Nonnull constants, const void *_Nullable data,
    size_t blocks) CONNX_NOEXCEPT;

#ifdef __cplusplus
}
#endif
