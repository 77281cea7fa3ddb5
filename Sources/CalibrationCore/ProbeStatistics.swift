/// What `isa.AttentionProbe` saw of one head of one site, summed over steps, cases and sampled query blocks.
public struct HeadStatistics: Equatable, Codable, Sendable {
  /// Per candidate: summed squared error of the head's output against exact attention.
  public var squaredError: [Double]
  /// Summed squared norm of the exact output.
  public var squaredNorm: Double
  /// Per candidate: summed executed density, over `samples`.
  public var density: [Double]
  public var samples: Int

  public init(candidates: Int) {
    squaredError = Array(repeating: 0, count: candidates)
    squaredNorm = 0
    density = Array(repeating: 0, count: candidates)
    samples = 0
  }

  public mutating func add(squaredError: [Double], squaredNorm: Double, density: [Double]) {
    for i in self.squaredError.indices where i < squaredError.count { self.squaredError[i] += squaredError[i] }
    for i in self.density.indices where i < density.count { self.density[i] += density[i] }
    self.squaredNorm += squaredNorm
    samples += 1
  }

  public mutating func merge(_ other: HeadStatistics) {
    for i in squaredError.indices where i < other.squaredError.count { squaredError[i] += other.squaredError[i] }
    for i in density.indices where i < other.density.count { density[i] += other.density[i] }
    squaredNorm += other.squaredNorm
    samples += other.samples
  }

  /// Relative L2 error of candidate `i`; 0 where nothing was seen.
  public func relativeError(_ i: Int) -> Double {
    squaredNorm > 0 ? (squaredError[i] / squaredNorm).squareRoot() : 0
  }

  public func meanDensity(_ i: Int) -> Double { samples > 0 ? density[i] / Double(samples) : 1 }
}

/// The statistics of a model: what calibration needs to choose again without running the model's attention probe.
public struct ProbeStatistics: Equatable, Codable, Sendable {
  /// The rungs that were probed, ascending.
  public var rungs: [Int]
  /// site → phase → head.
  public var sites: [String: [[HeadStatistics]]]

  public init(rungs: [Int], sites: [String: [[HeadStatistics]]] = [:]) {
    self.rungs = rungs
    self.sites = sites
  }

  /// Adds what another clip or machine saw.
  /// - Throws: `CalibrationError.statisticsDoNotFit` where rungs, sites, phases or heads differ.
  public mutating func merge(_ other: ProbeStatistics) throws(CalibrationError) {
    guard rungs == other.rungs else { throw .statisticsDoNotFit("they were taken at other thresholds") }
    for (name, phases) in other.sites {
      guard var own = sites[name] else {
        sites[name] = phases
        continue
      }
      guard own.count == phases.count, zip(own, phases).allSatisfy({ $0.count == $1.count }) else {
        throw .statisticsDoNotFit("site \(name) has another number of phases or heads there")
      }
      for p in own.indices { for h in own[p].indices { own[p][h].merge(phases[p][h]) } }
      sites[name] = own
    }
  }

  /// Executed density of every probed rung, over all sites, phases and heads alike.
  public func predictedDensity() -> [Double] {
    let heads = sites.values.flatMap { $0 }.flatMap { $0 }
    return rungs.indices.map { i in
      heads.isEmpty ? 1 : heads.map { $0.meanDensity(i) }.reduce(0, +) / Double(heads.count)
    }
  }

  /// Relative L2 error of the attention outputs at every probed rung, over all sites.
  public func pooledError() -> [Double] {
    let heads = sites.values.flatMap { $0 }.flatMap { $0 }
    let norm = heads.map(\.squaredNorm).reduce(0, +)
    return rungs.indices.map { i in
      norm > 0 ? (heads.map { $0.squaredError[i] }.reduce(0, +) / norm).squareRoot() : 0
    }
  }

  /// Where a search for `target` should begin: the probed rung whose prediction is nearest to it.
  ///
  /// A clip's error is of the order of its attentions' relative error, which is only a place to start: errors add up
  /// over layers and steps and partly cancel, so whole clips are measured next.
  public func start(for target: Target, exactStepSeconds: Double, restSeconds: Double = 0) -> Int {
    let errors = pooledError()
    let densities = predictedDensity()
    let holds: (Int) -> Bool =
      switch target {
      case .psnr(let least): { -20 * logTen(max(errors[$0], 1e-12)) + 12 >= least }
      case .maxError(let most): { errors[$0] <= 2 * most }
      case .density(let most): { densities[$0] <= most }
      case .speedup(let least):
        { i in
          exactStepSeconds / (restSeconds + (exactStepSeconds - restSeconds) * min(1, densities[i] + 0.05)) >= least
        }
      }
    let good = rungs.indices.filter(holds)
    let index = target.isQuality ? good.last : good.first
    return index.map { rungs[$0] } ?? (target.isQuality ? rungs.first : rungs.last) ?? 0
  }
}
