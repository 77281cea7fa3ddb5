/// One step of a sampler: a call of the model and the way to the next noise level.
public struct SamplerStep: Equatable, Sendable {
  /// From 0.
  public let index: Int
  public let steps: Int
  /// What the model is given as its time.
  public let t: Float
  /// Noise level before and after: σ of a flow, from 1 (noise) to 0; ᾱ of a diffusion, from 0 (noise) to 1.
  public let level: Double
  public let next: Double

  public init(index: Int, of steps: Int, t: Float, level: Double, next: Double) {
    self.index = index
    self.steps = steps
    self.t = t
    self.level = level
    self.next = next
  }

  /// Phase of the schedule, of `phases` equal parts from early (0) to late.
  public func phase(of phases: Int) -> Int { index * phases / steps }
}
