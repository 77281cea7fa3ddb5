/// A sampler at work: from noise to a sample, a model call a step. Deterministic: one thread, fixed order.
public struct Sampler: Sendable {
  public let schedule: Schedule
  private let settings: SamplerSettings
  private var uniPC = UniPC()

  /// - Throws: `SamplerError.steps`, `.tooManySteps`.
  public init(_ settings: SamplerSettings, steps: Int, tokens: Int = 0) throws(SamplerError) {
    self.settings = settings
    schedule = try Schedule(settings, steps: steps, tokens: tokens)
  }

  /// One step; steps are taken in order.
  /// - Parameters:
  ///   - x: the sample at the step's noise level, then at the next one.
  ///   - output: the model's, at x; as many values.
  /// - Throws: `SamplerError` for another count and for values that are not finite.
  public mutating func advance(_ x: inout [Float], output: [Float], at index: Int) throws(SamplerError) {
    guard output.count == x.count else {
      throw .velocityCount(step: index, expected: x.count, actual: output.count)
    }
    let step = schedule.steps[index]
    switch settings {
    case .flow(let flow):
      let sign: Double = flow.isInverted ? -1 : 1
      switch flow.solver {
      case .euler: x.add(output, times: sign * (step.next - step.level))
      case .uniPC: uniPC.advance(&x, velocity: output, sign: sign, at: step)
      }
    case .ddim(let ddim): ddim.advance(&x, output: output, at: step)
    }
    guard x.allSatisfy(\.isFinite) else { throw .notFinite(step: index) }
  }

  /// Takes all steps.
  /// - Parameters:
  ///   - x: the noise at the start, the sample at the end.
  ///   - model: the model's output at x.
  ///   - progress: after each step.
  /// - Throws: `SamplerError`, and what `model` throws.
  public mutating func run(
    _ x: inout [Float], model: (SamplerStep, [Float]) throws -> [Float], progress: (SamplerStep) -> Void = { _ in }
  ) throws {
    for step in schedule.steps {
      let output = try model(step, x)
      try advance(&x, output: output, at: step.index)
      progress(step)
    }
  }
}

extension DDIMSettings {
  /// x0 and the noise from the model's output, put together again at the next level (Song et al. 2021, equation 12 with
  /// σ = 0). Both are linear in x and the output, so a step is too.
  func advance(_ x: inout [Float], output: [Float], at step: SamplerStep) {
    let (signal, noise) = (step.level.squareRoot(), (1 - step.level).squareRoot())
    let (nextSignal, nextNoise) = (step.next.squareRoot(), (1 - step.next).squareRoot())
    let (ofX, ofOutput): (Double, Double) =
      switch prediction {
      case .epsilon: (nextSignal / signal, nextNoise - nextSignal * noise / signal)
      case .v: (nextSignal * signal + nextNoise * noise, nextNoise * signal - nextSignal * noise)
      }
    for i in x.indices { x[i] = Float(ofX * Double(x[i]) + ofOutput * Double(output[i])) }
  }
}

extension [Float] {
  mutating func add(_ other: [Float], times factor: Double) {
    for i in indices { self[i] = Float(Double(self[i]) + factor * Double(other[i])) }
  }
}
