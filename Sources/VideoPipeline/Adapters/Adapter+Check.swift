/// What has to hold between the parts of an adapter, so that a read one can be used without surprise.
extension Adapter {
  /// - Parameter value: the file's value of a key, for the line of an error.
  func check(_ value: (String) throws(YAMLSchemaError) -> YAMLValue) throws(YAMLSchemaError) {
    try checkInputs(value("inputs"))
    guard outputs.count == 1 else { throw try value("outputs").failure("should name one output, the velocity") }
    try checkAxes(value("axes"))
    for port in inputs.filter({ $0.role.isVideo }).map(\.port) + outputs where VideoLayout(port, self) == nil {
      throw try value("axes").failure(
        "the dims of \(port.name) should be the batch, the channels, and either height and width or tokens")
    }
    try checkSegments(value("segments"))
    try checkDefaults(value("defaults"))
  }

  private func checkInputs(_ value: YAMLValue) throws(YAMLSchemaError) {
    func count(_ role: Role) -> Int { inputs.count { $0.role == role } }
    let stacked = inputs.filter { $0.role == .stack }.flatMap(\.parts).count { $0 == .sample }
    guard count(.sample) + stacked == 1 else { throw value.failure("exactly one input should have the role sample") }
    guard count(.timestep) == 1 else { throw value.failure("exactly one input should have the role timestep") }
    for role in [Role.source, .condition] where count(role) > 1 {
      throw value.failure("exactly one input should have the role \(role.rawValue)")
    }
    guard conditions.isEmpty || count(.condition) == 1 else {
      throw value.failure("exactly one input should have the role condition")
    }
    if case .embedded = guidance, count(.guidance) != 1 {
      throw value.failure("embedded guidance needs an input with the role guidance")
    }
  }

  private func checkAxes(_ value: YAMLValue) throws(YAMLSchemaError) {
    for meaning in [Axis.Meaning.height, .width] where axis(meaning) == nil {
      throw value.failure("no axis means \(meaning.rawValue)")
    }
    if axis(.frames) == nil, latent == nil { throw value.failure("no axis means frames") }
    for axis in axes {
      guard let input = axis.input else { continue }
      let dims = inputs.first { $0.port.name == input }?.port.dims ?? []
      guard axis.position < dims.count, dims[axis.position] == .named(axis.name) else {
        throw value.failure("\(axis.name) is not what \(input) has at position \(axis.position)")
      }
    }
    let known = Set(axes.map(\.name))
    for dim in inputs.flatMap(\.port.dims) + outputs.flatMap(\.dims) {
      if case .named(let name) = dim, !known.contains(name) { throw value.failure("\(name) is used but not bound") }
    }
  }

  private func checkSegments(_ value: YAMLValue) throws(YAMLSchemaError) {
    guard segments.count(where: { $0.kind == .target }) == 1 else {
      throw value.failure("exactly one segment should be the target")
    }
    let known = Set(axes.map(\.name))
    for expression in segments.flatMap({ [$0.length] + ($0.grid ?? []) }) + inputs.compactMap(\.value) {
      if let name = expression.names.subtracting(known).min() {
        throw value.failure("\(expression) uses \(name), which is no axis")
      }
    }
  }

  private func checkDefaults(_ value: YAMLValue) throws(YAMLSchemaError) {
    do throws(AdapterError) {
      var lengths = try dimensions(frames: defaults.frames, width: defaults.width, height: defaults.height)
      // What the text or the model sets has some length; how many, the check of the sizes does not depend on.
      for axis in axes where lengths[axis.name] == nil { lengths[axis.name] = 1 }
      _ = try segments(lengths)
    } catch {
      throw value.failure("the default size does not fit: \(error.message)")
    }
  }
}

extension Adapter.Role {
  /// Whether its arrays are of the sample's frames, rows and columns.
  var isVideo: Bool { self == .sample || self == .source || self == .stack }
}
