import OnnxRuntime
import SparseAttention

extension Adapter {
  /// Reads an adapter. Everything is checked here, so that a read adapter can be used without surprise: names that
  /// expressions use are bound, roles are given once, segments name one target.
  public init(yaml text: String, file: String) throws(AdapterError) {
    do throws(YAMLSchemaError) {
      self = try Self.read(YAMLValue.document(text, file: file))
    } catch {
      throw .schema(error)
    }
  }

  private static func read(_ document: YAMLValue) throws(YAMLSchemaError) -> Adapter {
    let keys = try document.object(
      required: [
        "schema", "name", "description", "inputs", "outputs", "axes", "segments", "sampler", "pixels", "defaults",
      ],
      optional: ["weights", "latent", "guidance", "low-noise", "conditions"])
    func value(_ key: String) throws(YAMLSchemaError) -> YAMLValue {
      guard let value = keys[key] else { throw document.failure("the key '\(key)' is missing") }
      return value
    }
    let version = try value("schema")
    guard try version.string() == schema else { throw version.failure("this version reads \(schema)") }

    let adapter = Adapter(
      name: try value("name").string(), description: try value("description").string(),
      inputs: try readInputs(value("inputs")), outputs: try readOutputs(value("outputs")),
      weights: try readStrings(keys["weights"]), axes: try readAxes(value("axes")),
      latent: try keys["latent"].map(readLatent), segments: try readSegments(value("segments")),
      sampler: try readSampler(value("sampler")), guidance: try keys["guidance"].map(readGuidance) ?? .none,
      lowNoise: try keys["low-noise"].map(readLowNoise), pixels: try readPixels(value("pixels")),
      defaults: try readDefaults(value("defaults")), conditions: try readConditions(keys["conditions"]))
    try adapter.check(value)
    return adapter
  }

  private static func readInputs(_ value: YAMLValue) throws(YAMLSchemaError) -> [Input] {
    var inputs: [Input] = []
    for (name, entry) in try value.entries() {
      guard let role = try entry.entries().first(where: { $0.key == "role" })?.value.choice(Role.self) else {
        throw entry.failure("the key 'role' is missing")
      }
      let own: (required: [String], optional: [String]) =
        switch role {
        case .text, .textMask: ([], ["array"])
        case .constant: (["value"], [])
        case .stack, .positions: (["parts"], [])
        default: ([], [])
        }
      let keys = try entry.object(
        required: ["role", "type", "dims"] + own.required, optional: ["optional"] + own.optional)
      inputs.append(
        Input(
          port: try readPort(name, keys), role: role, isOptional: try keys["optional"]?.boolean() ?? false,
          array: try keys["array"]?.string(), value: try keys["value"].map(expression),
          parts: try keys["parts"].map(readParts) ?? []))
    }
    return inputs
  }

  private static func readParts(_ value: YAMLValue) throws(YAMLSchemaError) -> [ChannelPart] {
    var parts: [ChannelPart] = []
    for entry in try value.array() {
      if let word = try? entry.string() {
        let named: [String: ChannelPart] = [
          "sample": .sample, "source": .source, "blank": .blank, "first-frame": .firstFrame,
        ]
        guard let part = named[word] else { throw entry.failure("'\(word)' is not sample, source, first-frame or blank") }
        parts.append(part)
      } else {
        let keys = try entry.object(required: ["value", "channels"], optional: ["frames"])
        parts.append(
          .constant(
            try keys["value"]?.number() ?? 0, channels: try keys["channels"]?.integer(in: 1...65536) ?? 1,
            frames: try keys["frames"]?.integer(in: 1...4096)))
      }
    }
    return parts
  }

  private static func readStrings(_ value: YAMLValue?) throws(YAMLSchemaError) -> [String] {
    var strings: [String] = []
    for entry in try value?.array() ?? [] { strings.append(try entry.string()) }
    return strings
  }

  private static func readOutputs(_ value: YAMLValue) throws(YAMLSchemaError) -> [Port] {
    var ports: [Port] = []
    for (name, entry) in try value.entries() {
      ports.append(try readPort(name, entry.object(required: ["type", "dims"])))
    }
    return ports
  }

  private static func readPort(_ name: String, _ keys: [String: YAMLValue]) throws(YAMLSchemaError) -> Port {
    var port = Port(name: name, types: [], dims: [])
    if let types = keys["type"] {
      for type in types.isArray ? try types.array() : [types] {
        let name = try type.string()
        guard let found = ElementType(named: name) else { throw type.failure("'\(name)' is no type of elements") }
        port.types.append(found)
      }
      if port.types.isEmpty { throw types.failure("names no type") }
    }
    for dim in try keys["dims"]?.array() ?? [] {
      let text = try dim.string()
      if Int(text) != nil {
        port.dims.append(.fixed(try dim.integer(in: 1...Int(Int32.max))))
      } else {
        port.dims.append(.named(try axisName(text, dim)))
      }
    }
    return port
  }

  private static func axisName(_ text: String, _ value: YAMLValue) throws(YAMLSchemaError) -> String {
    guard case .name(let name)? = try? AxisExpression(parsing: text) else {
      throw value.failure("'\(text)' is not a name of letters, digits and _")
    }
    return name
  }

  private static func readAxes(_ value: YAMLValue) throws(YAMLSchemaError) -> [Axis] {
    var axes: [Axis] = []
    for (name, entry) in try value.entries() {
      let keys = try entry.object(required: ["meaning"], optional: ["input", "position", "multiple-of", "padded"])
      guard let meaning = keys["meaning"] else { continue }
      guard (keys["input"] == nil) == (keys["position"] == nil) else {
        throw entry.failure("input and position go together")
      }
      axes.append(
        Axis(
          name: try axisName(name, entry), meaning: try meaning.choice(Axis.Meaning.self),
          input: try keys["input"]?.string(), position: try keys["position"]?.integer(in: 0...7) ?? 0, multipleOf: try keys["multiple-of"]?.integer(in: 1...4096) ?? 1,
          isPadded: try keys["padded"]?.boolean() ?? false))
    }
    return axes
  }

  private static func readSegments(_ value: YAMLValue) throws(YAMLSchemaError) -> [SegmentExpression] {
    var segments: [SegmentExpression] = []
    for entry in try value.array() {
      let keys = try entry.object(required: ["kind", "length"], optional: ["grid"])
      guard let kind = keys["kind"], let length = keys["length"] else { continue }
      var grid: [AxisExpression]?
      if let value = keys["grid"] {
        var axes: [AxisExpression] = []
        for axis in try value.array() { axes.append(try expression(axis)) }
        guard axes.count == 3 else { throw value.failure("should be three expressions: frames, rows, columns") }
        grid = axes
      }
      segments.append(
        SegmentExpression(kind: try kind.choice(SegmentKind.self), length: try expression(length), grid: grid))
    }
    return segments
  }

  static func expression(_ value: YAMLValue) throws(YAMLSchemaError) -> AxisExpression {
    let text = try value.string()
    do throws(AxisExpression.Failure) {
      return try AxisExpression(parsing: text)
    } catch {
      throw value.failure(error.message)
    }
  }

  private static func readPixels(_ value: YAMLValue) throws(YAMLSchemaError) -> PixelRange {
    let keys = try value.object(required: ["black", "white"])
    let range = PixelRange(black: try keys["black"]?.number() ?? -1, white: try keys["white"]?.number() ?? 1)
    guard range.black != range.white else { throw value.failure("black and white are the same") }
    return range
  }

  private static func readDefaults(_ value: YAMLValue) throws(YAMLSchemaError) -> Defaults {
    let keys = try value.object(required: ["frames", "width", "height", "steps"], optional: ["seed"])
    return Defaults(
      frames: try keys["frames"]?.integer(in: 1...4096) ?? 1, width: try keys["width"]?.integer(in: 1...16384) ?? 1,
      height: try keys["height"]?.integer(in: 1...16384) ?? 1, steps: try keys["steps"]?.integer(in: 1...10000) ?? 1,
      seed: UInt64(try keys["seed"]?.integer(in: 0 ... .max) ?? 0))
  }

  private static func readConditions(_ value: YAMLValue?) throws(YAMLSchemaError) -> [Condition] {
    var conditions: [Condition] = []
    for (key, entry) in try value?.entries() ?? [] {
      guard let id = Int64(key) else { throw entry.failure("the key should be the edit's number") }
      let name = try entry.string()
      guard !conditions.contains(where: { $0.id == id || $0.name == name }) else {
        throw entry.failure("the edit is given twice")
      }
      conditions.append(Condition(id: id, name: name))
    }
    return conditions
  }
}
