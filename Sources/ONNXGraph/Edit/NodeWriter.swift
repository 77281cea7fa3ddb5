import CONNX

/// Builds a message for a new node.
struct NodeWriter {
  let edit: OpaquePointer
  let node: NewNode

  func written() throws(ModelError) -> OpaquePointer {
    let message = node.domain.withBytes { domain in
      node.opType.withBytes { opType in node.name.withBytes { connx_new_node(edit, domain, opType, $0) } }
    }
    guard let message else { throw .outOfMemory(path: node.name) }
    for input in node.inputs { try check(input.withBytes { connx_node_add_input(message, $0) }) }
    for output in node.outputs { try check(output.withBytes { connx_node_add_output(message, $0) }) }
    for (name, value) in node.attributes.sorted(by: { $0.key < $1.key }) { try write(name, value, to: message) }
    for (key, value) in node.metadata.sorted(by: { $0.key < $1.key }) {
      try check(key.withBytes { key in value.withBytes { connx_node_add_metadata(message, key, $0) } })
    }
    return message
  }

  private func write(_ name: String, _ value: AttributeValue, to message: OpaquePointer) throws(ModelError) {
    switch value {
    case .int(let number): try check(name.withBytes { connx_node_add_int(message, $0, number) })
    case .float(let number): try check(name.withBytes { connx_node_add_float(message, $0, number) })
    case .string(let text):
      try check(name.withBytes { name in text.withBytes { connx_node_add_string(message, name, $0) } })
    case .ints(let list): try check(name.withBytes { connx_node_add_ints(message, $0, list, Int32(list.count)) })
    case .floats(let list): try check(name.withBytes { connx_node_add_floats(message, $0, list, Int32(list.count)) })
    case .strings(let list):
      try check(
        name.withBytes { name in
          withAllBytes(list[...], []) { connx_node_add_strings(message, name, $0, Int32($0.count)) }
        })
    case .tensor(let tensor):
      let written = try TensorWriter(edit: edit).written(tensor, name: tensor.name)
      try check(name.withBytes { connx_node_add_tensor(message, $0, written) })
    case .graph, .graphs, .reference, .other:
      throw .invalidEdit(reason: "attribute \(name.quoted) of the new node \(node.name.quoted) cannot be written")
    }
  }

  /// The bytes of many strings at once.
  private func withAllBytes<R>(_ strings: ArraySlice<String>, _ done: [connx_bytes], _ body: ([connx_bytes]) -> R) -> R
  {
    guard let first = strings.first else { return body(done) }
    return first.withBytes { withAllBytes(strings.dropFirst(), done + [$0], body) }
  }

  private func check(_ code: Int32) throws(ModelError) {
    guard code == 0 else { throw .outOfMemory(path: node.name) }
  }
}

/// Builds a message for a tensor: its bytes, or a copy of the message that it came from.
struct TensorWriter {
  let edit: OpaquePointer

  func written(_ tensor: Tensor, name: String) throws(ModelError) -> OpaquePointer {
    let message: OpaquePointer?
    switch tensor.payload {
    case .message(let original, let storage):
      message = withExtendedLifetime(storage) { name.withBytes { connx_copy_tensor(edit, original, $0) } }
    case .bytes(let bytes):
      guard let count = tensor.elementCount, Tensor.byteCount(tensor.elementType, count: count) == bytes.count else {
        throw .invalidEdit(reason: "tensor \(name.quoted) holds \(bytes.count) bytes, which do not fill its dimensions")
      }
      message = bytes.withUnsafeBytes { raw in
        let raw = connx_bytes(data: raw.baseAddress?.assumingMemoryBound(to: CChar.self), size: raw.count)
        return name.withBytes {
          connx_new_tensor(edit, $0, tensor.elementType, tensor.dims, Int32(tensor.dims.count), raw)
        }
      }
    }
    guard let message else { throw .outOfMemory(path: name) }
    return message
  }
}

/// Builds a message for a value's type.
struct ValueInfoWriter {
  let edit: OpaquePointer

  func written(_ info: ValueInfo) throws(ModelError) -> OpaquePointer {
    let rank = info.shape.map { Int32($0.count) } ?? -1
    guard let message = info.name.withBytes({ connx_new_value_info(edit, $0, info.elementType, rank) }) else {
      throw .outOfMemory(path: info.name)
    }
    for (index, dimension) in (info.shape ?? []).enumerated() {
      guard let dimension, dimension.isKnown else { continue }
      let code =
        if let value = dimension.value {
          connx_value_info_set_dim(message, Int32(index), 1, value, connx_bytes())
        } else {
          dimension.description.withBytes { connx_value_info_set_dim(message, Int32(index), 2, 0, $0) }
        }
      guard code == 0 else { throw .outOfMemory(path: info.name) }
    }
    return message
  }
}
