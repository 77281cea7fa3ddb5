/// Finds the coarsest rung that keeps a quality target, or the finest that meets a cost target, from few whole-clip runs.
///
/// Pure: the next rung follows from what has been measured. Quality falls as thresholds rise, nearly always; the search
/// brackets the target, interpolates linearly in (rung, dB), and ends when the neighbouring rung is known to miss or
/// the budget is spent. What it returns was measured itself, never interpolated.
public struct ScaleSearch: Sendable {
  public var target: Target
  public var rungs: Int
  /// Whole-clip measurements it may ask for.
  public var budget: Int
  /// Full attention's median step, for speed-up targets.
  public var exactStepSeconds: Double

  public init(target: Target, rungs: Int, budget: Int = 8, exactStepSeconds: Double) {
    self.target = target
    self.rungs = rungs
    self.budget = budget
    self.exactStepSeconds = exactStepSeconds
  }

  public enum Step: Equatable, Sendable {
    case measure(rung: Int)
    /// The rung to use; nil when no measured rung meets the target.
    case done(rung: Int?)
  }

  /// - Parameter start: rung to begin with, from the statistics.
  public func next(_ measured: [RungMeasurement], start: Int) -> Step {
    let known = measured.compactMap { m in m.rung.map { ($0, m) } }.sorted { $0.0 < $1.0 }
    // Quality targets hold at fine rungs and cost targets at coarse ones; `passes` is the side that holds.
    let passing = known.filter { $0.1.meets(target, exactStepSeconds: exactStepSeconds) }.map(\.0)
    let failing = known.filter { !$0.1.meets(target, exactStepSeconds: exactStepSeconds) }.map(\.0)
    if known.isEmpty { return .measure(rung: min(max(start, 0), rungs - 1)) }

    let best = target.isQuality ? passing.max() : passing.min()
    if known.count >= budget { return .done(rung: best) }

    // The nearest rung known to miss, on the far side of the best one.
    let finest: Int
    let coarsest: Int  // Unmeasured candidates lie strictly between these.
    if target.isQuality {
      finest = best ?? -1
      coarsest = failing.filter { $0 > finest }.min() ?? rungs
    } else {
      coarsest = best ?? rungs
      finest = failing.filter { $0 < coarsest }.max() ?? -1
    }
    guard coarsest - finest > 1 else { return .done(rung: best) }

    let guess = interpolated(known, fallback: target.isQuality == (best != nil) ? finest + 12 : coarsest - 12)
    return .measure(rung: min(max(guess, finest + 1), coarsest - 1))
  }

  /// Where the line through the two measurements nearest to the target crosses it.
  private func interpolated(_ known: [(Int, RungMeasurement)], fallback: Int) -> Int {
    let points = known.map { (rung: Double($0.0), margin: $0.1.margin(target, exactStepSeconds: exactStepSeconds)) }
      .filter { $0.margin.isFinite }
      .sorted { abs($0.margin) < abs($1.margin) }
    guard let a = points.first else { return fallback }
    // Without a second point, or with one that says nothing, assume the slope usually seen: −0.65 dB a rung.
    var slope = -0.65
    if let b = points.dropFirst().first(where: { $0.rung != a.rung }) {
      let s = (b.margin - a.margin) / (b.rung - a.rung)
      if s < -0.1 { slope = s }
    }
    let crossing = a.rung - a.margin / slope
    guard crossing.isFinite, abs(crossing) < 1e6 else { return fallback }
    return Int(crossing.rounded(.down))
  }
}
