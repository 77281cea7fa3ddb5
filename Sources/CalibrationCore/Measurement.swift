/// One clip × edit × seed.
public struct CaseKey: Hashable, Codable, Sendable {
  /// The clip's file name.
  public var clip: String
  public var edit: Int
  public var seed: UInt64

  public init(clip: String, edit: Int, seed: UInt64) {
    self.clip = clip
    self.edit = edit
    self.seed = seed
  }
}

/// What one whole run of one case gave at one operating point.
public struct CaseMeasurement: Equatable, Codable, Sendable {
  public var key: CaseKey
  /// dB against the full-attention sample, whole clip.
  public var psnr: Double
  /// Relative L2 error against the full-attention sample.
  public var error: Double
  /// Share of the query×key products computed token by token, over all sites and steps.
  public var executedDensity: Double
  /// Median seconds of a model step.
  public var stepSeconds: Double

  public init(key: CaseKey, psnr: Double, error: Double, executedDensity: Double, stepSeconds: Double) {
    self.key = key
    self.psnr = psnr
    self.error = error
    self.executedDensity = executedDensity
    self.stepSeconds = stepSeconds
  }

  private enum CodingKeys: String, CodingKey {
    case key = "case"
    case psnr, error, executedDensity, stepSeconds
  }
}

/// What the cases gave at one rung of the ladder. Measuring stops at the first case that misses a quality target, so a
/// rung that failed may hold fewer cases than there are.
public struct RungMeasurement: Equatable, Codable, Sendable {
  /// nil is exact attention.
  public var rung: Int?
  public var cases: [CaseMeasurement]
  /// Whether every case was run.
  public var complete: Bool

  public init(rung: Int?, cases: [CaseMeasurement], complete: Bool) {
    self.rung = rung
    self.cases = cases
    self.complete = complete
  }

  public var worstPSNR: Double { cases.map(\.psnr).min() ?? .infinity }
  public var worstError: Double { cases.map(\.error).max() ?? 0 }
  public var meanDensity: Double {
    cases.isEmpty ? 1 : cases.map(\.executedDensity).reduce(0, +) / Double(cases.count)
  }
  /// Median over cases of the median step.
  public var stepSeconds: Double {
    let sorted = cases.map(\.stepSeconds).sorted()
    return sorted.isEmpty ? 0 : sorted[sorted.count / 2]
  }

  /// Whether the target holds for what was measured; `exactStepSeconds` is full attention's.
  public func meets(_ target: Target, exactStepSeconds: Double) -> Bool {
    switch target {
    case .psnr(let least): worstPSNR >= least
    case .maxError(let most): worstError <= most
    case .density(let most): meanDensity <= most
    case .speedup(let least): stepSeconds > 0 && exactStepSeconds / stepSeconds >= least
    }
  }

  /// Distance from the target in the direction that grows with quality: dB, log error, log density, log time.
  func margin(_ target: Target, exactStepSeconds: Double) -> Double {
    switch target {
    case .psnr(let least): worstPSNR - least
    case .maxError(let most): 20 * (logTen(most) - logTen(max(worstError, 1e-12)))
    case .density(let most): 20 * (logTen(max(meanDensity, 1e-12)) - logTen(most))
    case .speedup(let least): 20 * (logTen(max(stepSeconds, 1e-12)) - logTen(max(exactStepSeconds, 1e-12) / least))
    }
  }
}
