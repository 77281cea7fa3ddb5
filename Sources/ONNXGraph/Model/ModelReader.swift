import CONNX

/// Turns a parsed message into values, checking as it goes.
struct ModelReader: ~Copyable {
  let storage: ModelStorage
  let path: String
  private var checks: TensorChecks
  private var dimensions: [String: Dimension] = [:]
  private var paths: [String: Int] = [:]
  /// Before IR 4 every initializer is an input too, and constant all the same.
  private var overridesNothing = false

  init(storage: ModelStorage, path: String) {
    self.storage = storage
    self.path = path
    checks = TensorChecks(folder: storage.folder)
  }

  consuming func read() throws(ModelError) -> Model {
    let fields = connx_model_read(storage.message)
    guard let main = fields.graph else { throw .notONNX(path: path) }
    overridesNothing = fields.ir_version < 4
    guard fields.opset_count > 0 else {
      throw .invalidGraph(where: "", reason: "it says no operator set version (opset_import)")
    }
    var opsets: [String: Int64] = [:]
    for index in 0..<fields.opset_count {
      var version: Int64 = 0
      let domain = try text(connx_model_opset(storage.message, index, &version), "the operator sets")
      opsets[Self.domain(domain)] = version
    }
    var metadata: [String: String] = [:]
    for index in 0..<fields.metadata_count {
      let entry = connx_model_metadata(storage.message, index)
      metadata[lossy(entry.key)] = lossy(entry.value)
    }
    let graph = try graph(main, path: "", location: .main, depth: 1)
    var functions: [LocalFunction] = []
    for index in 0..<fields.function_count {
      functions.append(try function(connx_model_function(storage.message, index), index: Int(index)))
    }
    let model = Model(
      irVersion: fields.ir_version, producer: lossy(fields.producer_name), opsets: opsets, metadata: metadata,
      graph: graph, functions: functions, index: GraphIndex(graph), path: path, storage: storage)
    try GraphChecks.check(model)
    return model
  }

  /// "ai.onnx" is the default domain's other name.
  static func domain(_ text: String) -> String { text == "ai.onnx" ? "" : text }

  // MARK: Graphs

  private mutating func graph(
    _ graph: OpaquePointer, path: String, location: GraphLocation, depth: Int
  ) throws(ModelError) -> Graph {
    guard depth <= Model.nestingLimit else { throw .nestedTooDeeply(path: self.path, where: path) }
    let fields = connx_graph_read(graph)
    let place = path.isEmpty ? "the main graph" : path
    var nodes: [Node] = []
    nodes.reserveCapacity(Int(fields.node_count))
    for index in 0..<fields.node_count {
      nodes.append(
        try node(connx_graph_node(graph, index), index: Int(index), path: path, location: location, depth: depth))
    }
    var inputs: [ValueInfo] = []
    for index in 0..<fields.input_count { inputs.append(try valueInfo(connx_graph_input(graph, index), place)) }
    var outputs: [ValueInfo] = []
    for index in 0..<fields.output_count { outputs.append(try valueInfo(connx_graph_output(graph, index), place)) }
    var valueInfo: [ValueInfo] = []
    valueInfo.reserveCapacity(Int(fields.value_info_count))
    for index in 0..<fields.value_info_count {
      valueInfo.append(try self.valueInfo(connx_graph_value_info(graph, index), place))
    }
    var initializers: [Tensor] = []
    initializers.reserveCapacity(Int(fields.initializer_count))
    for index in 0..<fields.initializer_count {
      initializers.append(try tensor(connx_graph_initializer(graph, index), place))
    }
    var sparse: [String] = []
    for index in 0..<fields.sparse_count {
      sparse.append(try tensor(connx_graph_sparse(graph, index, 0), place).name)
      _ = try tensor(connx_graph_sparse(graph, index, 1), place)
    }
    if overridesNothing, !initializers.isEmpty {
      let fixed = Set(initializers.map(\.name))
      inputs.removeAll { fixed.contains($0.name) }
    }
    return Graph(
      name: lossy(fields.name), path: path, location: location, nodes: nodes, inputs: inputs, outputs: outputs,
      valueInfo: valueInfo,
      initializers: initializers, sparseInitializers: sparse)
  }

  private mutating func function(_ function: OpaquePointer, index: Int) throws(ModelError) -> LocalFunction {
    let location = GraphLocation(function: index)
    let fields = connx_function_read(function)
    let name = try text(fields.name, "the functions")
    let domain = Self.domain(try text(fields.domain, "the functions"))
    let body = "\(domain).\(name)"
    var attributes: [String] = []
    for index in 0..<fields.attribute_count {
      attributes.append(try text(connx_function_attribute(function, index), body))
    }
    var defaults: [String: AttributeValue] = [:]
    guard fields.attribute_default_count <= Self.noteLimit else {
      throw .invalidGraph(where: body, reason: "it has \(fields.attribute_default_count) attributes with a default")
    }
    for index in 0..<fields.attribute_default_count {
      guard let attribute = connx_function_attribute_default(storage.message, function, index) else {
        throw .invalidGraph(where: body, reason: "an attribute's default cannot be read")
      }
      let (name, value) = try self.attribute(
        attribute, nodePath: body + ">", node: -1, location: location, depth: 1)
      defaults[name] = value
    }
    var inputs: [String] = []
    for index in 0..<fields.input_count { inputs.append(try text(connx_function_input(function, index), body)) }
    var outputs: [String] = []
    for index in 0..<fields.output_count { outputs.append(try text(connx_function_output(function, index), body)) }
    var opsets: [String: Int64] = [:]
    for index in 0..<fields.opset_count {
      var version: Int64 = 0
      let domain = try text(connx_function_opset(function, index, &version), body)
      opsets[Self.domain(domain)] = version
    }
    var nodes: [Node] = []
    nodes.reserveCapacity(Int(fields.node_count))
    for index in 0..<fields.node_count {
      nodes.append(
        try node(
          connx_function_node(function, index), index: Int(index), path: "\(body)>", location: location, depth: 1))
    }
    return LocalFunction(
      domain: domain, name: name, overload: try text(fields.overload, body), location: location, attributes: attributes,
      defaults: defaults, inputs: inputs, outputs: outputs, opsets: opsets, nodes: nodes)
  }

  // MARK: Nodes

  private mutating func node(
    _ node: OpaquePointer, index: Int, path: String, location: GraphLocation, depth: Int
  ) throws(ModelError) -> Node {
    let fields = connx_node_read(node)
    let name = try text(fields.name, path)
    let opType = try text(fields.op_type, name)
    var inputs: [String] = []
    inputs.reserveCapacity(Int(fields.input_count))
    for index in 0..<fields.input_count { inputs.append(try text(connx_node_input(node, index), name)) }
    var outputs: [String] = []
    outputs.reserveCapacity(Int(fields.output_count))
    for index in 0..<fields.output_count { outputs.append(try text(connx_node_output(node, index), name)) }
    var attributes: [String: AttributeValue] = [:]
    if fields.attribute_count > 0 {
      attributes.reserveCapacity(Int(fields.attribute_count))
      let label = name.isEmpty ? outputs.first { !$0.isEmpty } ?? "#\(index)" : name
      for position in 0..<fields.attribute_count {
        let attribute = connx_node_attribute(node, position)
        let (key, value) = try self.attribute(
          attribute, nodePath: path + label + "/", node: index, location: location, depth: depth)
        guard attributes.updateValue(value, forKey: key) == nil else {
          throw .invalidGraph(where: label, reason: "attribute \(key.quoted) stands there twice")
        }
      }
    }
    var metadata: [String: String] = [:]
    if fields.metadata_count > 0 {
      for index in 0..<min(fields.metadata_count, Self.noteLimit) {
        let entry = connx_node_metadata(node, index)
        metadata[lossy(entry.key)] = lossy(entry.value)
      }
    }
    return Node(
      index: index, name: name, domain: Self.domain(try text(fields.domain, name)), opType: opType,
      overload: try text(fields.overload, name), inputs: inputs, outputs: outputs, attributes: attributes,
      metadata: metadata)
  }

  private mutating func attribute(
    _ attribute: OpaquePointer, nodePath: String, node: Int, location: GraphLocation, depth: Int
  ) throws(ModelError) -> (String, AttributeValue) {
    let fields = connx_attribute_read(attribute)
    let name = try text(fields.name, nodePath)
    if fields.reference.size > 0 { return (name, .reference(try text(fields.reference, nodePath))) }
    switch fields.type {
    case 1: return (name, .float(fields.f))
    case 2: return (name, .int(fields.i))
    case 3:
      guard let string = Self.string(fields.string) else { return (name, .other) }
      return (name, .string(string))
    case 4:
      guard let tensor = fields.tensor else { break }
      return (name, .tensor(try self.tensor(tensor, nodePath)))
    case 5:
      guard let graph = fields.graph else { break }
      let inner = try self.graph(
        graph, path: try unique("\(nodePath)\(name)/"),
        location: location.appending(node: node, attribute: name, ordinal: 0), depth: depth + 1)
      return (name, .graph(inner))
    case 6: return (name, .floats(Array(UnsafeBufferPointer(start: fields.floats, count: Int(fields.float_count)))))
    case 7: return (name, .ints(Array(UnsafeBufferPointer(start: fields.ints, count: Int(fields.int_count)))))
    case 8:
      var strings: [String] = []
      for index in 0..<fields.string_count { strings.append(lossy(connx_attribute_string(attribute, index))) }
      return (name, .strings(strings))
    case 10:
      var graphs: [Graph] = []
      for index in 0..<fields.graph_count {
        let path = try unique("\(nodePath)\(name)[\(index)]/")
        let location = location.appending(node: node, attribute: name, ordinal: Int(index))
        graphs.append(
          try graph(connx_attribute_graph(attribute, index), path: path, location: location, depth: depth + 1))
      }
      return (name, .graphs(graphs))
    default: break
    }
    // What is not given as a value is checked all the same: data must not hide in it.
    for index in 0..<fields.tensor_count { _ = try tensor(connx_attribute_tensor(attribute, index), nodePath) }
    for index in 0..<fields.sparse_count {
      _ = try tensor(connx_attribute_sparse(attribute, index, 0), nodePath)
      _ = try tensor(connx_attribute_sparse(attribute, index, 1), nodePath)
    }
    return (name, .other)
  }

  /// Node names may repeat; paths do not.
  private mutating func unique(_ path: String) throws(ModelError) -> String {
    // Every graph inside repeats the names around it.
    guard path.utf8.count <= Self.pathLimit else {
      throw .invalidGraph(
        where: path, reason: "the names of the graphs around it have \(path.utf8.count) bytes together")
    }
    let uses = paths[path, default: 0]
    paths[path] = uses + 1
    return uses == 0 ? path : "\(path.dropLast())~\(uses)/"
  }

  // MARK: Tensors and types

  private mutating func tensor(_ tensor: OpaquePointer, _ place: String) throws(ModelError) -> Tensor {
    let fields = connx_tensor_read(tensor)
    let name = try text(fields.name, place)
    var external: ExternalData?
    if fields.is_external != 0 {
      var entries: [(String, String)] = []
      for index in 0..<fields.external_count {
        let entry = connx_tensor_external(tensor, index)
        entries.append((lossy(entry.key), lossy(entry.value)))
      }
      external = try TensorChecks.external(entries, tensor: name.isEmpty ? place : name)
    }
    let result = Tensor(
      name: name, elementType: fields.element_type,
      dims: Array(UnsafeBufferPointer(start: fields.dims, count: Int(fields.dim_count))), external: external,
      payload: .message(tensor, storage))
    try checks.check(result, fields, label: name.isEmpty ? place : name)
    return result
  }

  private mutating func valueInfo(_ info: OpaquePointer, _ place: String) throws(ModelError) -> ValueInfo {
    let fields = connx_value_info_read(info)
    let name = try text(fields.name, place)
    guard fields.dim_count >= 0 else { return ValueInfo(name: name, elementType: fields.element_type, shape: nil) }
    guard fields.dim_count <= Model.rankLimit else {
      throw .invalidGraph(where: name, reason: "it has \(fields.dim_count) dimensions")
    }
    var shape: [Dimension?] = []
    shape.reserveCapacity(Int(fields.dim_count))
    for index in 0..<fields.dim_count {
      var value: Int64 = 0
      var label = connx_bytes(data: nil, size: 0)
      switch connx_value_info_dim(info, index, &value, &label) {
      // Some exporters write −1 for unknown.
      case 1: shape.append(value >= 0 ? Dimension(value) : nil)
      case 2: shape.append(dimension(lossy(label)))
      default: shape.append(nil)
      }
    }
    return ValueInfo(name: name, elementType: fields.element_type, shape: shape)
  }

  /// Bytes of a graph's path.
  private static let pathLimit = 4096
  /// Entries of a list that only describes.
  private static let noteLimit: Int32 = 4096

  private mutating func dimension(_ text: String) -> Dimension {
    if let known = dimensions[text] { return known }
    let parsed = Dimension(parsing: text)
    dimensions[text] = parsed
    return parsed
  }

  // MARK: Text

  private func text(_ bytes: connx_bytes, _ place: String) throws(ModelError) -> String {
    guard let string = Self.string(bytes) else { throw .notUTF8(where: place.isEmpty ? path : place) }
    return string
  }

  private static func string(_ bytes: connx_bytes) -> String? {
    guard bytes.size > 0, let start = bytes.data else { return "" }
    return String(
      validating: UnsafeRawBufferPointer(start: start, count: bytes.size).assumingMemoryBound(to: UInt8.self),
      as: UTF8.self)
  }

  /// For text that names nothing.
  private func lossy(_ bytes: connx_bytes) -> String {
    String(decoding: UnsafeRawBufferPointer(start: bytes.data, count: bytes.size), as: UTF8.self)
  }
}
