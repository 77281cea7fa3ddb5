import CONNX

extension ModelDelta {
  /// The edited model's bytes; those of the file where the delta is empty.
  ///
  /// - Throws: `invalidEdit` where the delta names what the model does not have; `tooLarge`; `outOfMemory`.
  public func applied(to model: Model) throws(ModelError) -> [UInt8] {
    if isEmpty { return model.withBytes { Array($0) } }
    guard let edit = connx_edit_new(model.storage.message) else { throw .outOfMemory(path: model.path) }
    let editor = ModelEditor(edit: edit, model: model)
    defer { connx_edit_free(edit) }
    return try withExtendedLifetime(model) { () throws(ModelError) in try editor.apply(self) }
  }
}

/// Applies a delta to a copy of a model's outermost messages.
struct ModelEditor {
  let edit: OpaquePointer
  let model: Model

  func apply(_ delta: ModelDelta) throws(ModelError) -> [UInt8] {
    // All lists are found before any changes, since subgraphs go by their node's position in the file.
    var lists: [(GraphLocation, connx_list, GraphDelta)] = []
    for (location, change) in delta.graphs.sorted(by: { $0.key < $1.key }) where !change.isEmpty {
      lists.append((location, try list(location), change))
    }
    for (location, list, change) in lists { try rename(list, location, change) }
    for (location, list, change) in lists { try apply(change, to: list, location, opsets: delta.opsets) }
    for (domain, version) in delta.opsets.sorted(by: { $0.key < $1.key }) {
      try check(domain.withBytes { connx_edit_set_opset(edit, connx_list(), $0, version) })
    }
    for key in delta.removedMetadata.union(delta.metadata.map(\.key)).sorted() where model.metadata[key] != nil {
      try check(key.withBytes { connx_edit_remove_metadata(edit, $0) })
    }
    for (key, value) in delta.metadata {
      try check(key.withBytes { key in value.withBytes { connx_edit_add_metadata(edit, key, $0) } })
    }
    return try serialised()
  }

  private func serialised() throws(ModelError) -> [UInt8] {
    let size = connx_edit_size(edit)
    guard size >= 0 else { throw .tooLarge(path: model.path, bytes: Int64(Int32.max) + 1) }
    guard size > 0 else { return [] }
    var status = connx_ok
    let bytes = [UInt8](unsafeUninitializedCapacity: Int(size)) { buffer, count in
      guard let start = buffer.baseAddress else { return }
      status = connx_edit_write(edit, start, size)
      count = status == connx_ok ? Int(size) : 0
    }
    guard status == connx_ok else { throw .outOfMemory(path: model.path) }
    return bytes
  }

  // MARK: Lists

  private func list(_ location: GraphLocation) throws(ModelError) -> connx_list {
    var list: connx_list
    if let function = location.function {
      list = connx_edit_function(edit, Int32(clamping: function))
    } else {
      list = connx_edit_main(edit)
    }
    for step in location.steps where list.message != nil {
      list = step.attribute.withBytes {
        connx_edit_subgraph(edit, list, Int32(clamping: step.node), $0, Int32(clamping: step.ordinal))
      }
    }
    guard list.message != nil else { throw .invalidEdit(reason: "there is no graph at \(location)") }
    return list
  }

  private func rename(_ list: connx_list, _ location: GraphLocation, _ change: GraphDelta) throws(ModelError) {
    for (node, name) in change.renamedNodes where !change.removedNodes.contains(node) {
      guard name.withBytes({ connx_edit_name(edit, list, Int32(clamping: node), $0) }) == 0 else {
        throw .invalidEdit(reason: "there is no node \(node) to name at \(location)")
      }
    }
    for (ports, isOutput) in [(change.renamedInputs, Int32(0)), (change.renamedOutputs, 1)] {
      for (port, name) in ports where !change.removedNodes.contains(port.node) {
        let code = name.withBytes {
          connx_edit_rename(edit, list, Int32(clamping: port.node), isOutput, Int32(clamping: port.index), $0)
        }
        guard code == 0 else {
          throw .invalidEdit(reason: "node \(port.node) at \(location) has no such input or output")
        }
      }
    }
  }

  private func apply(
    _ change: GraphDelta, to list: connx_list, _ location: GraphLocation, opsets: [String: Int64]
  ) throws(ModelError) {
    let count = Int(connx_list_node_count(list))
    var gone: Set<String> = []
    for index in change.removedNodes where index < 0 || index >= count {
      throw .invalidEdit(reason: "there is no node \(index) to remove at \(location)")
    }
    for index in change.removedNodes {
      let node = connx_list_node(list, Int32(index))
      for output in 0..<connx_node_read(node).output_count { gone.insert(string(connx_node_output(node, output))) }
    }
    var inserted: [Int: [OpaquePointer]] = [:]
    for (before, node) in change.insertedNodes {
      guard (0...count).contains(before) else {
        throw .invalidEdit(reason: "there is no node \(before) to insert before at \(location)")
      }
      inserted[before, default: []].append(try NodeWriter(edit: edit, node: node).written())
    }
    if !change.removedNodes.isEmpty || !inserted.isEmpty {
      var nodes: [OpaquePointer] = []
      nodes.reserveCapacity(count + change.insertedNodes.count)
      for index in 0...count {
        if let added = inserted[index] { nodes += added }
        if index < count, !change.removedNodes.contains(index) { nodes.append(connx_list_node(list, Int32(index))) }
      }
      try check(connx_edit_set_nodes(list, nodes, Int32(nodes.count)))
    }
    if list.kind == connx_list_function {
      for domain in Set(change.insertedNodes.map(\.node.domain)).sorted() {
        guard let version = opsets[domain] else { continue }
        try check(domain.withBytes { connx_edit_set_opset(edit, list, $0, version) })
      }
      guard change.addedInitializers.isEmpty, change.addedInputs.isEmpty, change.addedOutputs.isEmpty else {
        throw .invalidEdit(reason: "a function has no initializers, and its inputs and outputs are its callers'")
      }
      return
    }
    guard let graph = OpaquePointer(list.message) else { return }
    try applyInitializers(change, list, graph)
    gone.subtract(change.insertedNodes.flatMap(\.node.outputs))
    gone.subtract(change.renamedOutputs.values)
    gone.formUnion(change.removedValueInfo)
    let fields = connx_graph_read(graph)
    try replace(
      connx_inputs, list, count: fields.input_count, removed: change.removedInputs, added: change.addedInputs
    ) { connx_graph_input(graph, $0) }
    try replace(
      connx_outputs, list, count: fields.output_count, removed: change.removedOutputs, added: change.addedOutputs
    ) { connx_graph_output(graph, $0) }
    try replace(
      connx_value_infos, list, count: fields.value_info_count, removed: gone, added: change.addedValueInfo
    ) { connx_graph_value_info(graph, $0) }
  }

  private func applyInitializers(
    _ change: GraphDelta, _ list: connx_list, _ graph: OpaquePointer
  ) throws(ModelError) {
    guard !change.addedInitializers.isEmpty || !change.removedInitializers.isEmpty else { return }
    var tensors: [OpaquePointer] = []
    let count = connx_graph_read(graph).initializer_count
    for index in 0..<count {
      let tensor = connx_graph_initializer(graph, index)
      if change.removedInitializers.contains(string(connx_tensor_read(tensor).name)) { continue }
      tensors.append(tensor)
    }
    for tensor in change.addedInitializers {
      tensors.append(try TensorWriter(edit: edit).written(tensor, name: tensor.name))
    }
    try check(connx_edit_set_initializers(list, tensors, Int32(tensors.count)))
  }

  private func replace(
    _ which: connx_values, _ list: connx_list, count: Int32, removed: Set<String>, added: [ValueInfo],
    _ at: (Int32) -> OpaquePointer
  ) throws(ModelError) {
    guard !removed.isEmpty || !added.isEmpty else { return }
    var values: [OpaquePointer] = []
    for index in 0..<count {
      let info = at(index)
      if !removed.contains(string(connx_value_info_read(info).name)) { values.append(info) }
    }
    for info in added { values.append(try ValueInfoWriter(edit: edit).written(info)) }
    try check(connx_edit_set_values(list, which, values, Int32(values.count)))
  }

  private func check(_ code: Int32) throws(ModelError) {
    guard code == 0 else { throw .outOfMemory(path: model.path) }
  }

  private func string(_ bytes: connx_bytes) -> String {
    String(decoding: UnsafeRawBufferPointer(start: bytes.data, count: bytes.size), as: UTF8.self)
  }
}

extension GraphLocation: Comparable {
  /// Outer before inner.
  public static func < (a: GraphLocation, b: GraphLocation) -> Bool { a.key.lexicographicallyPrecedes(b.key) }

  private var key: [String] {
    [function.map { "f\(padded($0))" } ?? ""] + steps.map { "\(padded($0.node))/\($0.attribute)/\(padded($0.ordinal))" }
  }

  private func padded(_ number: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: Swift.max(0, 10 - digits.count)) + digits
  }
}

extension GraphLocation: CustomStringConvertible {
  public var description: String {
    let root = function.map { "function \($0)" } ?? "the main graph"
    return steps.reduce(root) { "\($0), node \($1.node)'s \($1.attribute)" }
  }
}

extension String {
  /// Its UTF-8 for the shim.
  func withBytes<R>(_ body: (connx_bytes) -> R) -> R {
    var copy = self
    return copy.withUTF8 { utf8 in
      utf8.withMemoryRebound(to: CChar.self) { body(connx_bytes(data: $0.baseAddress, size: $0.count)) }
    }
  }
}
