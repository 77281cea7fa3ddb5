import SparseAttention

/// The parts of an adapter's file that say how a family is sampled.
extension Adapter {
  /// `sampler: flow-euler`, or a mapping with `kind` and what that kind takes.
  static func readSampler(_ value: YAMLValue) throws(YAMLSchemaError) -> SamplerSettings {
    guard value.isMapping else { return try settings(value.choice(SamplerKind.self), [:]) }
    guard let kind = try value.entries().first(where: { $0.key == "kind" })?.value.choice(SamplerKind.self) else {
      throw value.failure("the key 'kind' is missing")
    }
    let optional =
      switch kind {
      case .flowEuler: ["timestep-scale", "shift", "token-shift", "terminal", "spacing", "inverted"]
      case .flowUniPC: ["timestep-scale", "shift"]
      case .ddim:
        [
          "training-steps", "betas", "beta-start", "beta-end", "snr-shift", "zero-terminal-snr", "spacing", "offset",
          "prediction", "ends-clean",
        ]
      }
    return try settings(kind, value.object(required: ["kind"], optional: optional))
  }

  private static func settings(
    _ kind: SamplerKind, _ keys: [String: YAMLValue]
  ) throws(YAMLSchemaError) -> SamplerSettings {
    switch kind {
    case .flowEuler, .flowUniPC:
      var flow = FlowSettings()
      flow.solver = kind == .flowUniPC ? .uniPC : .euler
      flow.spacing =
        kind == .flowUniPC ? .training : try keys["spacing"]?.choice(FlowSettings.Spacing.self) ?? .uniform
      flow.timestepScale = try keys["timestep-scale"]?.number(above: 0) ?? 1
      if let shift = keys["shift"] { flow.shift = .constant(try shift.number(above: 0)) }
      if let value = keys["token-shift"] {
        guard keys["shift"] == nil else { throw value.failure("shift and token-shift exclude each other") }
        flow.shift = try readTokenShift(value)
      }
      flow.terminal = try keys["terminal"]?.number(above: 0)
      if let value = keys["terminal"], try value.number() >= 1 { throw value.failure("should be below 1") }
      flow.isInverted = try keys["inverted"]?.boolean() ?? false
      return .flow(flow)
    case .ddim:
      var ddim = DDIMSettings()
      ddim.trainingSteps = try keys["training-steps"]?.integer(in: 1...100_000) ?? ddim.trainingSteps
      ddim.betas = try keys["betas"]?.choice(DDIMSettings.Betas.self) ?? ddim.betas
      ddim.betaStart = try keys["beta-start"]?.number(above: 0) ?? ddim.betaStart
      ddim.betaEnd = try keys["beta-end"]?.number(above: 0) ?? ddim.betaEnd
      for key in ["beta-start", "beta-end"] {
        if let value = keys[key], try value.number() >= 1 { throw value.failure("should be below 1") }
      }
      ddim.snrShift = try keys["snr-shift"]?.number(above: 0) ?? ddim.snrShift
      ddim.hasZeroTerminalSNR = try keys["zero-terminal-snr"]?.boolean() ?? false
      ddim.spacing = try keys["spacing"]?.choice(DDIMSettings.Spacing.self) ?? ddim.spacing
      ddim.offset = try keys["offset"]?.integer(in: 0...1) ?? 0
      ddim.prediction = try keys["prediction"]?.choice(DDIMSettings.Prediction.self) ?? ddim.prediction
      ddim.endsClean = try keys["ends-clean"]?.boolean() ?? true
      if ddim.hasZeroTerminalSNR, ddim.prediction == .epsilon, let value = keys["zero-terminal-snr"] {
        throw value.failure("a model that predicts the noise cannot start from noise alone; it needs prediction: v")
      }
      return .ddim(ddim)
    }
  }

  private static func readTokenShift(_ value: YAMLValue) throws(YAMLSchemaError) -> FlowSettings.Shift {
    let keys = try value.object(required: ["base", "largest", "base-tokens", "largest-tokens"])
    let base = try keys["base-tokens"]?.integer(in: 0...1 << 24) ?? 0
    let largest = try keys["largest-tokens"]?.integer(in: 0...1 << 24) ?? 0
    guard base < largest else { throw value.failure("base-tokens should be fewer than largest-tokens") }
    return .tokens(
      base: try keys["base"]?.number() ?? 0, largest: try keys["largest"]?.number() ?? 0, baseTokens: base,
      largestTokens: largest)
  }

  static func readLatent(_ value: YAMLValue) throws(YAMLSchemaError) -> LatentSpace {
    let keys = try value.object(
      required: ["spatial", "temporal"], optional: ["mean", "deviation", "scale", "pack"])
    var latent = LatentSpace(
      spatial: try keys["spatial"]?.integer(in: 1...256) ?? 1, temporal: try keys["temporal"]?.integer(in: 1...256) ?? 1)
    if let mean = keys["mean"] { latent.mean = try numbers(mean) }
    if let scale = keys["scale"] {
      guard keys["deviation"] == nil else { throw scale.failure("scale is 1/deviation; give one of them") }
      latent.deviation = [1 / (try scale.number(above: 0))]
    }
    if let deviation = keys["deviation"] {
      latent.deviation = try numbers(deviation)
      guard latent.deviation.allSatisfy({ $0 > 0 }) else { throw deviation.failure("should be above 0") }
    }
    guard latent.mean.count == 1 || latent.deviation.count == 1 || latent.mean.count == latent.deviation.count else {
      throw value.failure("mean and deviation should be of as many channels")
    }
    if let pack = keys["pack"] {
      var sizes: [Int] = []
      for size in try pack.array() { sizes.append(try size.integer(in: 1...64)) }
      guard sizes.count == 3 else { throw pack.failure("should be three numbers: frames, rows, columns") }
      latent.pack = Grid(frames: sizes[0], rows: sizes[1], columns: sizes[2])
    }
    return latent
  }

  private static func numbers(_ value: YAMLValue) throws(YAMLSchemaError) -> [Double] {
    guard value.isArray else { return [try value.number()] }
    var result: [Double] = []
    for entry in try value.array() { result.append(try entry.number()) }
    guard !result.isEmpty else { throw value.failure("names no number") }
    return result
  }

  /// `{kind: classifier-free, scale}`, `{kind: classifier-free, branches}` or `{kind: embedded, scale, factor}`.
  static func readGuidance(_ value: YAMLValue) throws(YAMLSchemaError) -> Guidance {
    let keys = try value.object(required: ["kind"], optional: ["scale", "factor", "branches", "keep-norm"])
    guard let kind = keys["kind"] else { return .none }
    func refuse(_ key: String) throws(YAMLSchemaError) {
      if let extra = keys[key] { throw extra.failure("does not belong to this kind of guidance") }
    }
    func scale() throws(YAMLSchemaError) -> Double {
      guard let scale = keys["scale"] else { throw value.failure("the key 'scale' is missing") }
      return try scale.number()
    }
    switch try kind.choice(GuidanceKind.self) {
    case .embedded:
      try refuse("branches")
      try refuse("keep-norm")
      return .embedded(scale: try scale(), factor: try keys["factor"]?.number() ?? 1)
    case .classifierFree:
      try refuse("factor")
      let keepsNorm = try keys["keep-norm"]?.boolean() ?? false
      guard let list = keys["branches"] else { return .classifierFree(scale: try scale(), keepsNorm: keepsNorm) }
      try refuse("scale")
      return .branches(try readBranches(list), keepsNorm: keepsNorm)
    }
  }

  private enum GuidanceKind: String, CaseIterable {
    case classifierFree = "classifier-free"
    case embedded
  }

  private static func readBranches(_ value: YAMLValue) throws(YAMLSchemaError) -> [Guidance.Branch] {
    var branches: [Guidance.Branch] = []
    for entry in try value.array() {
      let keys = try entry.object(required: ["name"], optional: ["text", "source", "scale"])
      guard branches.isEmpty == (keys["scale"] == nil) else {
        throw entry.failure("every branch but the first has a scale")
      }
      branches.append(
        Guidance.Branch(
          name: try keys["name"]?.string() ?? "",
          text: try keys["text"]?.choice(Guidance.Branch.Text.self) ?? .positive,
          source: try keys["source"]?.choice(Guidance.Branch.Source.self) ?? .clip,
          scale: try keys["scale"]?.number() ?? 1))
    }
    guard branches.count > 1 else { throw value.failure("should name two branches or more") }
    return branches
  }

  static func readLowNoise(_ value: YAMLValue) throws(YAMLSchemaError) -> LowNoise {
    let keys = try value.object(required: ["below"], optional: ["scale"])
    let below = try keys["below"]?.number(above: 0) ?? 0
    guard below < 1 else { throw value.failure("below should be a share of the schedule, less than 1") }
    return LowNoise(below: below, scale: try keys["scale"]?.number())
  }
}
