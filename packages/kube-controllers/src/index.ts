export { ControllersError } from './errors.ts'
export { runKubeControllers } from './run-kube-controllers.ts'
